-- Claims reviews that have deliveries waiting and returns each with its record and the head of its inbox.
-- KEYS: due, nudge
-- ARGV: most reviews, lease in ms, most deliveries of one review, bytes after which to claim no more,
--       prefix of a review's keys, record suffix, inbox suffix
-- The keys of the reviews are only known here: the mirror runs on single servers, sharded by review, not on a cluster.
redis.call('DEL', KEYS[2])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local claimed, bytes = {}, 0
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])) do
    redis.call('ZADD', KEYS[1], 'XX', now + ARGV[2], id)
    local prefix = ARGV[5] .. id
    local record = redis.call('GET', prefix .. ARGV[6])
    local entries = redis.call('LRANGE', prefix .. ARGV[7], 0, ARGV[3] - 1)
    claimed[#claimed + 1] = { id, record, entries }
    bytes = bytes + (record and #record or 0)
    for _, entry in ipairs(entries) do
        bytes = bytes + #entry
    end
    if bytes > tonumber(ARGV[4]) then
        break
    end
end
return claimed

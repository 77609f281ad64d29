-- Applies decided deliveries to one review, in one step: record, history, feed, indexes, counters, dead letters, and
-- the deliveries taken out of the inbox. Compare-and-set: does nothing unless the inbox still begins with the deliveries
-- that were read. If the first is gone, another worker has applied it; if the last is not where it was, the server has
-- lost some (a failover, or a restart without the last second). Every change of a record goes through its inbox.
-- KEYS: record, inbox, changes, waiting, due, feed, counters, dead letters, partners,
--       index before, index after, business index before, business index after ('' where there is none)
-- ARGV: review id, id of the first delivery, id of the last, number of deliveries, record ('' to leave it), index member, partner,
--       feed length, number of changes, for each change: entry, version, kind, delivery id,
--       number of dead letters, for each: delivery id, letter, then counters: name, increment, ...
local ID_FIRST, ID_LAST = 3, 26 -- an inbox entry begins with `["`, then the delivery id of 24 hexadecimal digits
local TIME_LAST = 14 -- whose first 12 are the time of receipt in ms

local function stands_at(place, delivery_id)
    local entry = redis.call('LINDEX', KEYS[2], place)
    return entry and string.sub(entry, ID_FIRST, ID_LAST) == delivery_id
end
if not (stands_at(0, ARGV[2]) and stands_at(ARGV[4] - 1, ARGV[3])) then
    return 0
end

redis.call('LTRIM', KEYS[2], ARGV[4], -1)
local rest = redis.call('LINDEX', KEYS[2], 0)
if rest then
    redis.call('ZADD', KEYS[4], tonumber(string.sub(rest, ID_FIRST, TIME_LAST), 16), ARGV[1])
    redis.call('ZADD', KEYS[5], 0, ARGV[1])
else
    redis.call('ZREM', KEYS[4], ARGV[1])
    redis.call('ZREM', KEYS[5], ARGV[1])
end

if ARGV[5] ~= '' then
    redis.call('SET', KEYS[1], ARGV[5])
end
if KEYS[10] ~= KEYS[11] then
    if KEYS[10] ~= '' then
        redis.call('ZREM', KEYS[10], ARGV[6])
    end
    redis.call('ZADD', KEYS[11], 0, ARGV[6])
    redis.call('SADD', KEYS[9], ARGV[7])
end
if KEYS[12] ~= KEYS[13] then
    if KEYS[12] ~= '' then
        redis.call('ZREM', KEYS[12], ARGV[6])
    end
    if KEYS[13] ~= '' then
        redis.call('ZADD', KEYS[13], 0, ARGV[6])
    end
end

local at = 10
for _ = 1, ARGV[9] do
    redis.call('RPUSH', KEYS[3], ARGV[at])
    redis.call('XADD', KEYS[6], 'MAXLEN', '~', ARGV[8], '*', 'review_id', ARGV[1], 'version', ARGV[at + 1],
        'kind', ARGV[at + 2], 'delivery_id', ARGV[at + 3])
    at = at + 4
end
local letters = ARGV[at]
at = at + 1
for _ = 1, letters do
    redis.call('HSET', KEYS[8], ARGV[at], ARGV[at + 1])
    at = at + 2
end
for i = at, #ARGV, 2 do
    redis.call('HINCRBY', KEYS[7], ARGV[i], ARGV[i + 1])
end
return 1

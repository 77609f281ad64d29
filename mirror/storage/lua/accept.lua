-- Stores deliveries in the inboxes of their reviews, in one step, and tells whether a nudge is due.
-- KEYS: accepted-token, waiting, due, nudge, counters, then the inbox of each delivery
-- ARGV: token TTL, nudge TTL (both ms), then for each delivery: review id, inbox entry
if not redis.call('SET', KEYS[1], 1, 'NX', 'PX', ARGV[1]) then
    return 0 -- an earlier attempt at this very write got through; its answer was lost
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
for i = 6, #KEYS do
    local review_id, entry = ARGV[2 * i - 9], ARGV[2 * i - 8]
    redis.call('RPUSH', KEYS[i], entry)
    redis.call('ZADD', KEYS[2], 'NX', now, review_id)
    redis.call('ZADD', KEYS[3], 'NX', now, review_id)
end
redis.call('HINCRBY', KEYS[5], 'deliveries:accepted', #KEYS - 5)
if redis.call('SET', KEYS[4], 1, 'NX', 'PX', ARGV[2]) then
    return 1
end
return 0

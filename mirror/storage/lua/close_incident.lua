-- Closes an incident, in as many calls as its missing reviews need: each gets its grace from the first of them.
-- KEYS: the incident, its missing reviews, absences, open incidents, closed incidents, feed
-- ARGV: its scope, when it was opened, now, why it closes, how many reviews to let go at a time, closed ones to keep,
--       feed length
-- Returns the closed incident as JSON, 0 when reviews are left for the next call, -1 when it is not open any more.
if redis.call('HGET', KEYS[1], 'opened_at') ~= ARGV[2] then
    return -1
end
if redis.call('HSETNX', KEYS[1], 'closing_at', ARGV[3]) == 1 then
    redis.call('HSET', KEYS[1], 'closed_by', ARGV[4], 'missing', redis.call('ZCARD', KEYS[2]))
end
local closing_at = redis.call('HGET', KEYS[1], 'closing_at')
for _, review_id in ipairs(redis.call('ZRANGE', KEYS[2], 0, ARGV[5] - 1)) do
    redis.call('ZREM', KEYS[2], review_id)
    redis.call('ZADD', KEYS[3], closing_at, review_id)
end
if redis.call('ZCARD', KEYS[2]) > 0 then
    return 0
end
local facts = { scope = ARGV[1] }
local found = redis.call('HGETALL', KEYS[1])
for place = 1, #found, 2 do
    facts[found[place]] = found[place + 1]
end
local closed = cjson.encode(facts)
redis.call('DEL', KEYS[1])
redis.call('SREM', KEYS[4], ARGV[1])
redis.call('ZADD', KEYS[5], closing_at, closed)
redis.call('ZREMRANGEBYRANK', KEYS[5], 0, -ARGV[6] - 1)
redis.call('XADD', KEYS[6], 'MAXLEN', '~', ARGV[7], '*', 'kind', 'incident.closed', 'facts', closed)
return closed

-- Stores deliveries in the inboxes of their reviews, in one step, and tells whether a nudge is due.
-- KEYS: accepted-token, waiting, due, nudge, counters
-- ARGV: token TTL, nudge TTL (both ms), prefix of a review's keys, inbox suffix, name of the counter,
--       review id (as text), inbox entry, review id, ... as one msgpack array
-- One argument for all of them: the client's cost of a command grows with its arguments.
if not redis.call('SET', KEYS[1], 1, 'NX', 'PX', ARGV[1]) then
    return 0 -- an earlier attempt at this very write got through; its answer was lost
end
local MOST = 1000 -- values of one command: Lua's stack is bounded; an even number, for they come in pairs
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local values = cmsgpack.unpack(ARGV[6])
local moments = {} -- of acceptance, each before the id of its review, as ZADD takes them
for at = 1, #values, 2 do
    redis.call('RPUSH', ARGV[3] .. values[at] .. ARGV[4], values[at + 1])
    moments[at], moments[at + 1] = now, values[at]
end
for from = 1, #moments, MOST do
    local to = math.min(from + MOST - 1, #moments)
    redis.call('ZADD', KEYS[2], 'NX', unpack(moments, from, to))
    redis.call('ZADD', KEYS[3], 'NX', unpack(moments, from, to))
end
redis.call('HINCRBY', KEYS[5], ARGV[5], #values / 2)
if redis.call('SET', KEYS[4], 1, 'NX', 'PX', ARGV[2]) then
    return 1
end
return 0

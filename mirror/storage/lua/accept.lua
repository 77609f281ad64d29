-- Stores deliveries in the inboxes of their reviews, in one step, and tells whether a nudge is due.
-- KEYS: accepted-token, waiting, due, nudge, counters
-- ARGV: token TTL, nudge TTL (both ms), prefix of a review's keys, inbox suffix, name of the counter,
--       review id (as text), inbox entry, review id, ... as one msgpack array
-- One argument for all of them: the client's cost of a command grows with its arguments.
if not redis.call('SET', KEYS[1], 1, 'NX', 'PX', ARGV[1]) then
    -- An earlier attempt at this very write got through; its answer was lost. Writing something makes WAIT, where it
    -- follows, wait for all that was written before.
    redis.call('PEXPIRE', KEYS[1], ARGV[1])
    return 0
end
local MOST = 1000 -- values of one command: Lua's stack is bounded; an even number, for they come in pairs
local time = redis.call('TIME')
local now = string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
local values = cmsgpack.unpack(ARGV[6])
local moments = {} -- of acceptance, each before the id of its review, as ZADD takes them
local pushed = 0

local function inbox(at)
    return ARGV[3] .. values[at] .. ARGV[4]
end

local function store()
    for at = 1, #values, 2 do
        redis.call('RPUSH', inbox(at), values[at + 1])
        pushed = at
        moments[at], moments[at + 1] = now, values[at]
    end
    for from = 1, #moments, MOST do
        local to = math.min(from + MOST - 1, #moments)
        redis.call('ZADD', KEYS[2], 'NX', unpack(moments, from, to))
        redis.call('ZADD', KEYS[3], 'NX', unpack(moments, from, to))
    end
end

local well, problem = pcall(store)
if not well then
    -- A key of another type. None of the group is stored, and trying again must not find the token of this attempt.
    for at = 1, pushed, 2 do
        redis.call('RPOP', inbox(at))
    end
    redis.call('DEL', KEYS[1])
    return type(problem) == 'table' and problem or redis.error_reply(problem)
end
-- What is stored is stored, even if something else than a count stands there.
redis.pcall('HINCRBY', KEYS[5], ARGV[5], #values / 2)
if redis.call('SET', KEYS[4], 1, 'NX', 'PX', ARGV[2]) then
    return 1
end
return 0

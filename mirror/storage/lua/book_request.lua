-- Books one request to Partoo's API for the whole fleet, within a rate (generic cell rate algorithm).
-- KEYS: bucket, pause
-- ARGV: ms between two requests at the rate, ms by which requests may run ahead of it
-- Returns how many ms to wait before sending it; a negative number: how long to wait before asking here again.
local pause = redis.call('PTTL', KEYS[2])
if pause > 0 then
    return -pause
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local booked = math.max(tonumber(redis.call('GET', KEYS[1]) or 0), now)
local wait = math.max(0, booked - now - tonumber(ARGV[2]))
booked = booked + tonumber(ARGV[1])
redis.call('SET', KEYS[1], booked, 'PX', math.ceil(booked - now) + 1000)
return wait

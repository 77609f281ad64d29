-- Counts the deliveries that came since the last look into their hour, with the longest wait for one in that hour.
-- Looking twice counts nothing twice.
-- KEYS: counters, hours, silence. ARGV: now, longest time between two looks (both ms), hours to keep, counters' names
-- Returns when the last delivery came, as far as is known.
local COUNTERS, HOURS, SILENCE = unpack(KEYS)
local now, longest_look, kept = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local total = 0
for place = 4, #ARGV do
    total = total + (tonumber(redis.call('HGET', COUNTERS, ARGV[place]) or 0) or 0)
end
local function write(...)
    redis.call('HSET', SILENCE, ...)
end
local function number(value)
    return string.format('%.0f', value)
end
local counted = tonumber(redis.call('HGET', SILENCE, 'counted'))
if not counted then
    write('counted', number(total), 'last_at', ARGV[1], 'looked_at', ARGV[1])
    return ARGV[1]
end
local last = tonumber(redis.call('HGET', SILENCE, 'last_at'))
local came = math.max(0, total - counted) -- less: the counters were deleted
local wait = now - last
if came > 0 and now - tonumber(redis.call('HGET', SILENCE, 'looked_at')) > longest_look then
    wait = 0 -- they came while nobody looked
end
write('counted', number(total), 'looked_at', ARGV[1])
local silent = redis.call('HEXISTS', SILENCE, 'since') == 1
-- How long they stayed away while it was silent is not to be learned as usual.
if came > 0 or not silent then
    local hour = number(math.floor(now / 3600000))
    local found = redis.call('HGET', HOURS, hour)
    local before, longest = string.match(found or '0 0', '^(%d+) (%d+)$')
    longest = silent and (longest or 0) or math.max(longest or 0, wait)
    redis.call('HSET', HOURS, hour, number((before or 0) + came) .. ' ' .. number(longest))
    if not found then
        for _, name in ipairs(redis.call('HKEYS', HOURS)) do
            if (tonumber(name) or 0) <= tonumber(hour) - kept then
                redis.call('HDEL', HOURS, name)
            end
        end
    end
end
if came > 0 then
    write('last_at', ARGV[1])
    return ARGV[1]
end
return number(last)

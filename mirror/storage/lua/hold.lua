-- Takes, keeps or gives up what only one may hold at a time.
-- KEYS: the key that stands for it
-- ARGV: who holds it, for how long (ms; 0 gives it up)
-- Returns 1 if it is (or was) the caller's, 0 if another's.
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
    return 0
end
if ARGV[2] == '0' then
    redis.call('DEL', KEYS[1])
else
    redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
end
return 1

-- Tries what storing a delivery needs, and leaves nothing behind: the keys of a delivery, and small ones of its own.
-- KEYS: probe, probe list, waiting, due, arq's queue
-- ARGV: TTL of the probe in ms
-- The first write takes memory: Redis lets a script that begins with one which frees memory go on at its limit.
redis.call('SET', KEYS[1], 1, 'PX', ARGV[1])
redis.call('TIME')
redis.call('DEL', KEYS[2])
redis.call('RPUSH', KEYS[2], 1)
for at = 3, #KEYS do
    -- No member of this name is ever there, but a key of another type answers with an error.
    redis.call('ZREM', KEYS[at], 'probe')
end
redis.call('DEL', KEYS[1], KEYS[2])
return 1

-- Moves a dead letter into the inbox of its review, in one step: a crash leaves it in exactly one of the two places.
-- KEYS: dead letters, corrupt, waiting, due, nudge, inbox of the review, bodies of dead letters
-- ARGV: delivery id, review id, inbox entry, nudge TTL in ms, digest of its body
-- Returns 0 if the letter is not there (any more), 1 if it was moved, 2 if a nudge is due as well.
redis.call('LLEN', KEYS[6]) -- a key of another type must fail before anything is written
if redis.call('HDEL', KEYS[1], ARGV[1]) == 0 then
    return 0
end
redis.call('HDEL', KEYS[7], ARGV[5])
redis.call('HDEL', KEYS[2], ARGV[2]) -- whoever retries has read the record
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
redis.call('RPUSH', KEYS[6], ARGV[3])
redis.call('ZADD', KEYS[3], 'NX', now, ARGV[2])
redis.call('ZADD', KEYS[4], 'NX', now, ARGV[2])
return redis.call('SET', KEYS[5], 1, 'NX', 'PX', ARGV[4]) and 2 or 1

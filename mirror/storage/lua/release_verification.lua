-- Ends a claim that was not settled by an answer, unless a commit has settled it or put it off meanwhile.
-- KEYS: verify, verify failures
-- ARGV: review id, end of the lease that was given, when to ask again (ms; '' not at all), 1 if asking has failed
if redis.call('ZSCORE', KEYS[1], ARGV[1]) ~= ARGV[2] then
    return 0
end
if ARGV[3] == '' then
    redis.call('ZREM', KEYS[1], ARGV[1])
    redis.call('HDEL', KEYS[2], ARGV[1])
    return 1
end
redis.call('ZADD', KEYS[1], ARGV[3], ARGV[1])
if ARGV[4] == '1' then
    redis.call('HINCRBY', KEYS[2], ARGV[1], 1)
end
return 1

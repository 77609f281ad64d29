-- Claims reviews about which Partoo is to be asked now, those due longest first; others keep off until the lease ends.
-- Second looks that are due become questions first.
-- KEYS: verify, verify failures, second looks
-- ARGV: now, end of the lease (both ms), most reviews
-- Returns review id, failures so far, review id, ...
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])) do
    redis.call('ZADD', KEYS[1], 'NX', ARGV[1], id)
    redis.call('ZREM', KEYS[3], id)
end
local claimed = {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', ARGV[1], 'LIMIT', 0, ARGV[3])) do
    redis.call('ZADD', KEYS[1], ARGV[2], id)
    claimed[#claimed + 1] = id
    claimed[#claimed + 1] = redis.call('HGET', KEYS[2], id) or '0'
end
return claimed

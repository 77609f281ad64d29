-- Puts another record and another history in the place of a review's, in one step. Compare-and-set: does nothing unless
-- the record is the one that was read and the inbox is empty. A worker that has read this record and not committed yet
-- would find its deliveries in the inbox; one that reads later reads the new one.
-- KEYS: record, inbox, changes, partners, feed, corrupt, absences, then what incidents of its scopes hold
-- ARGV: record as it was read ('' for none), new record, review id, member, partner, new index, new business index,
--       feed length, version, delivery id, missing since when ('' if it is not), number of changes, changes, then the
--       indexes to leave
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] or redis.call('LLEN', KEYS[2]) > 0 then
    return 0
end
local count = tonumber(ARGV[12])
redis.call('LLEN', KEYS[3]) -- a key of another type must fail before anything is written
redis.call('SET', KEYS[1], ARGV[2])
redis.call('DEL', KEYS[3])
for place = 13, 12 + count do
    redis.call('RPUSH', KEYS[3], ARGV[place])
end
for place = 13 + count, #ARGV do
    redis.call('ZREM', ARGV[place], ARGV[4])
end
redis.call('SADD', KEYS[4], ARGV[5])
redis.call('ZADD', ARGV[6], 0, ARGV[4])
if ARGV[7] ~= '' then
    redis.call('ZADD', ARGV[7], 0, ARGV[4])
end
redis.call('HDEL', KEYS[6], ARGV[3])
redis.call('ZREM', KEYS[7], ARGV[3])
local is_held = false
for place = 8, #KEYS do
    if ARGV[11] == '' then
        redis.call('ZREM', KEYS[place], ARGV[3])
    elseif redis.call('ZSCORE', KEYS[place], ARGV[3]) then
        is_held = true -- its grace begins when the incident closes
    end
end
if ARGV[11] ~= '' and not is_held then
    redis.call('ZADD', KEYS[7], ARGV[11], ARGV[3])
end
redis.call('XADD', KEYS[5], 'MAXLEN', '~', ARGV[8], '*', 'review_id', ARGV[3], 'version', ARGV[9], 'kind', 'replayed',
    'delivery_id', ARGV[10])
return 1

-- Puts another record and another history in the place of a review's, in one step. Compare-and-set: does nothing unless
-- record and history are those that were read and the inbox is empty. A worker that has read this record and not
-- committed yet would find its deliveries in the inbox; one that reads later reads the new one.
-- KEYS: record, inbox, changes, partners, feed, corrupt, absences, businesses by absences, then what incidents of its
--       scopes hold
-- ARGV: record as it was read ('' for none), history as it was read (SHA-1 of its entries, one after the other),
--       new record, review id, member, partner, new index, new business index, feed length, version, delivery id,
--       missing since when ('' if it is not), prefix of counts of absences,
--       then three lists, each after its length: the changes; the indexes to leave; rows of what to correct in the
--       counts of absences: scope, its business ('' where it is none), name, by how much
local RECORD, INBOX, CHANGES, PARTNERS, FEED, CORRUPT, ABSENCES, ABSENT_BUSINESSES = unpack(KEYS, 1, 8)
local FIRST_HELD, FIRST_LIST = 9, 14
local OLD_RECORD, OLD_HISTORY, NEW_RECORD, ID, MEMBER, PARTNER, INDEX, BUSINESS = unpack(ARGV, 1, 8)
local FEED_LENGTH, VERSION, DELIVERY_ID, MISSING_SINCE, STATS = unpack(ARGV, 9, FIRST_LIST - 1)

-- Keys of another type fail here, before anything is written.
local history = redis.sha1hex(table.concat(redis.call('LRANGE', CHANGES, 0, -1)))
if (redis.call('GET', RECORD) or '') ~= OLD_RECORD or history ~= OLD_HISTORY or redis.call('LLEN', INBOX) > 0 then
    return 0
end

local at = FIRST_LIST
local function each(width, do_with)
    local last = at + tonumber(ARGV[at]) * width
    for place = at + 1, last, width do
        do_with(unpack(ARGV, place, place + width - 1))
    end
    at = last + 1
end

redis.call('SET', RECORD, NEW_RECORD)
redis.call('DEL', CHANGES)
each(1, function(change)
    redis.call('RPUSH', CHANGES, change)
end)
each(1, function(index)
    redis.call('ZREM', index, MEMBER)
end)
redis.call('SADD', PARTNERS, PARTNER)
redis.call('ZADD', INDEX, 0, MEMBER)
if BUSINESS ~= '' then
    redis.call('ZADD', BUSINESS, 0, MEMBER)
end
redis.call('HDEL', CORRUPT, ID)

redis.call('ZREM', ABSENCES, ID)
local is_held = false
for place = FIRST_HELD, #KEYS do
    if MISSING_SINCE == '' then
        redis.call('ZREM', KEYS[place], ID)
    elseif redis.call('ZSCORE', KEYS[place], ID) then
        is_held = true -- its grace begins when the incident closes
    end
end
if MISSING_SINCE ~= '' and not is_held then
    redis.call('ZADD', ABSENCES, MISSING_SINCE, ID)
end

-- What is mended must not wait for its counts to be right.
each(4, function(scope, business, name, by)
    redis.pcall('HINCRBY', STATS .. scope, name, by)
    if name == 'absences' and business ~= '' then
        redis.pcall('ZINCRBY', ABSENT_BUSINESSES, by, business)
    end
end)

redis.call('XADD', FEED, 'MAXLEN', '~', FEED_LENGTH, '*', 'review_id', ID, 'version', VERSION, 'kind', 'replayed',
    'delivery_id', DELIVERY_ID)
return 1

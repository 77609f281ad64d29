-- Puts another record and another history in the place of a review's, in one step. Compare-and-set: does nothing unless
-- record and history are those that were read and the inbox is empty. A worker that has read this record and not
-- committed yet would find its deliveries in the inbox; one that reads later reads the new one.
-- KEYS: record, inbox, changes, partners, feed, corrupt, absences, businesses by absences, then what incidents of its
--       scopes hold
-- ARGV: record as it was read ('' for none), history as it was read: how many entries, its first and its last ('' for
--       none; nobody else writes between these), new record, review id, member, partner, new index, new business index,
--       new index by certainty ('' for what is proven), feed length, version, delivery id, missing since when ('' if it
--       is not), prefix of counts of absences,
--       then four lists, each after its length: the changes; the indexes to leave; the sets of held and of recent
--       absences to leave; rows of what to correct in the counts of absences: scope, its business ('' where it is none),
--       name, by how much
local RECORD, INBOX, CHANGES, PARTNERS, FEED, CORRUPT, ABSENCES, ABSENT_BUSINESSES = unpack(KEYS, 1, 8)
local FIRST_HELD, FIRST_LIST = 9, 17
local OLD_RECORD, LENGTH, OLDEST, NEWEST, NEW_RECORD, ID, MEMBER, PARTNER, INDEX, BUSINESS = unpack(ARGV, 1, 10)
local CERTAINTY, FEED_LENGTH, VERSION, DELIVERY_ID, MISSING_SINCE, STATS = unpack(ARGV, 11, FIRST_LIST - 1)

local at = FIRST_LIST
local function read_list(width)
    local rows, last = {}, at + tonumber(ARGV[at]) * width
    for place = at + 1, last, width do
        rows[#rows + 1] = { unpack(ARGV, place, place + width - 1) }
    end
    at = last + 1
    return rows
end
local changes, indexes, left, corrections = read_list(1), read_list(1), read_list(1), read_list(4)

-- Keys of another type must fail before anything is written: what is written stays.
local is_as_read = redis.call('LLEN', CHANGES) == tonumber(LENGTH)
    and (redis.call('LINDEX', CHANGES, 0) or '') == OLDEST
    and (redis.call('LINDEX', CHANGES, -1) or '') == NEWEST
redis.call('SCARD', PARTNERS)
redis.call('XLEN', FEED)
redis.call('HLEN', CORRUPT)
for _, sets in ipairs({ indexes, left, { { INDEX }, { ABSENCES } } }) do
    for _, set in ipairs(sets) do
        redis.call('ZCARD', set[1])
    end
end
if BUSINESS ~= '' then
    redis.call('ZCARD', BUSINESS)
end
local is_held = false -- then its grace begins when the incident closes
for place = FIRST_HELD, #KEYS do
    is_held = redis.call('ZSCORE', KEYS[place], ID) and MISSING_SINCE ~= '' or is_held
end

if (redis.call('GET', RECORD) or '') ~= OLD_RECORD or not is_as_read or redis.call('LLEN', INBOX) > 0 then
    return 0
end

redis.call('SET', RECORD, NEW_RECORD)
redis.call('DEL', CHANGES)
for _, change in ipairs(changes) do
    redis.call('RPUSH', CHANGES, change[1])
end
for _, index in ipairs(indexes) do
    redis.call('ZREM', index[1], MEMBER)
end
redis.call('SADD', PARTNERS, PARTNER)
redis.call('ZADD', INDEX, 0, MEMBER)
if BUSINESS ~= '' then
    redis.call('ZADD', BUSINESS, 0, MEMBER)
end
if CERTAINTY ~= '' then
    redis.call('ZADD', CERTAINTY, 0, MEMBER)
end
redis.call('HDEL', CORRUPT, ID)

for _, set in ipairs(left) do
    redis.call('ZREM', set[1], ID)
end
if MISSING_SINCE == '' or is_held then
    redis.call('ZREM', ABSENCES, ID)
else
    -- Not before the time that an incident gave it when it closed.
    local counts_from = redis.call('ZSCORE', ABSENCES, ID)
    redis.call('ZADD', ABSENCES, math.max(MISSING_SINCE, counts_from or 0), ID)
end

-- What is mended must not wait for its counts to be right.
for _, correction in ipairs(corrections) do
    local scope, business, name, by = unpack(correction)
    redis.pcall('HINCRBY', STATS .. scope, name, by)
    if name == 'absences' and business ~= '' then
        redis.pcall('ZINCRBY', ABSENT_BUSINESSES, by, business)
    end
end

redis.call('XADD', FEED, 'MAXLEN', '~', FEED_LENGTH, '*', 'review_id', ID, 'version', VERSION, 'kind', 'replayed',
    'delivery_id', DELIVERY_ID)
return 1

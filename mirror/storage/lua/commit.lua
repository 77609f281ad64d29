-- Applies decided deliveries to reviews, each review in one step: record, history, feed, indexes, counters, dead
-- letters, and the deliveries taken out of its inbox. Compare-and-set: does nothing to a review unless its inbox still
-- begins with the deliveries that were read. If the first is gone, another worker has applied it; if the last is not
-- where it was, the server has lost some (a failover, or a restart without the last second). Every change of a record
-- goes through its inbox.
-- KEYS: waiting, due, feed, counters, dead letters, partners, corrupt, verify, verify failures, second looks, kept,
--       bodies of dead letters; then those of absences.lua, which stands before this, as dead_letters.lua does
-- ARGV: prefix of a review's keys, record suffix, inbox suffix, changes suffix, feed length, deliveries suffix,
--       how many applied deliveries of a review are kept, for how long in ms (0: none is), the time in ms before which
--       they are dropped,
--       then all reviews in one argument, a msgpack array of values (`read_commit` says which): the client's cost of a
--       command grows with its arguments; then those of absences.lua
-- Returns for each review 1 when it was written, 0 when not, or the error that one of its keys gave.
local WAITING, DUE, FEED, COUNTERS, DEAD_LETTERS, PARTNERS, CORRUPT, VERIFY, VERIFY_FAILURES,
    SECOND_LOOKS, KEPT, DEAD_BODIES = unpack(KEYS)
local PREFIX, RECORD, INBOX, CHANGES, FEED_LENGTH, DELIVERIES = unpack(ARGV)
local MAX_KEPT, RETENTION, OLDEST_KEPT = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])
local COMMITS = cmsgpack.unpack(ARGV[10])
local ID_FIRST, ID_LAST = 3, 26 -- an inbox entry begins with `["`, then the delivery id of 24 hexadecimal digits
local TIME_LAST = 14 -- whose first 12 are the time of receipt in ms
local MAX_EXPIRED = 500 -- reviews taken out of `kept` at a time: more than come in with one claim

-- What is the same command for all reviews is done once, at the end.
local settled = {} -- reviews with no delivery left, no more than a claim takes
local kept = {} -- reviews of which raw deliveries are kept now, each after its score
local totals = {} -- what to add to the counters, by name

local at = 0
local function read()
    at = at + 1
    return COMMITS[at]
end

local function read_rows(width)
    local records = {}
    for row = 1, tonumber(read()) do
        records[row] = {}
        for column = 1, width do
            records[row][column] = read()
        end
    end
    return records
end

local function read_commit()
    return {
        review_id = read(),
        first = read(),
        last = read(),
        count = tonumber(read()),
        record = read(), -- '' to leave it
        member = read(),
        partner = read(),
        index_before = read(), -- indexes: '' where there is none
        index_after = read(),
        business_before = read(),
        business_after = read(),
        verify_at = read(), -- '' to leave it, 0 for no question
        again_at = read(), -- '' for no second look
        certainty_before = read(), -- indexes of reviews that are not proven: '' where there is none
        certainty_after = read(),
        changes = read_rows(4), -- entry ('' where only the feed tells of it), version, kind, delivery id
        dead_letters = read_rows(3), -- delivery id, dead letter, digest of its body
        counts = read_rows(2), -- name, increment
        corrupt = read(), -- '=' and a record that cannot be read, else ''
        forget = read() ~= '', -- keep nothing of the review but its record, a tombstone
        redeliveries = read_rows(3), -- key by which each was expected or '', its place, the entry to keep of it
        repeats = read_rows(1), -- places of those that changed nothing, as the one before each changed nothing
        absence_events = read_rows(5), -- kind, moment, partner, business, what to count
    }
end

local function delivery_at(inbox, place)
    local entry = redis.call('LINDEX', inbox, place)
    return entry and string.sub(entry, ID_FIRST, ID_LAST)
end

local function received_at(entry)
    return tonumber(string.sub(entry, ID_FIRST, TIME_LAST), 16)
end

local function body(entry)
    return entry and string.sub(entry, string.find(entry, '\n', 1, true) or 1)
end

-- Moved inside the server, so that the append-only file does not get the bodies a second time.
local function keep(inbox, deliveries, commit)
    local unreadable = {} -- kept as dead letters; they come again through the inbox
    for _, dead_letter in ipairs(commit.dead_letters) do
        unreadable[dead_letter[1]] = true
    end
    local redelivered = {}
    for _, redelivery in ipairs(commit.redeliveries) do
        redelivered[tonumber(redelivery[2])] = redelivery[3]
    end
    local repeats = {}
    for _, repeated in ipairs(commit.repeats) do
        repeats[tonumber(repeated[1])] = true
    end
    for place = 0, commit.count - 1 do
        -- Of copies that changed nothing the last tells all: when the payload was last accepted.
        if repeats[place] and body(redis.call('LINDEX', deliveries, -1)) == body(redis.call('LINDEX', inbox, 0)) then
            redis.call('RPOP', deliveries)
        end
        local entry = redis.call('LMOVE', inbox, deliveries, 'LEFT', 'RIGHT')
        if unreadable[string.sub(entry, ID_FIRST, ID_LAST)] then
            redis.call('RPOP', deliveries)
        elseif redelivered[place] then
            redis.call('LSET', deliveries, -1, redelivered[place])
        end
    end
    if redis.call('LLEN', deliveries) > MAX_KEPT then
        redis.call('LTRIM', deliveries, -MAX_KEPT, -1)
    end
end

local function drop_old(deliveries, oldest)
    while oldest and received_at(oldest) < OLDEST_KEPT do
        redis.call('LPOP', deliveries)
        oldest = redis.call('LINDEX', deliveries, 0)
    end
end

-- Takes the decided deliveries out of the inbox; returns the one that is now its first, if any is left.
local function take_out(inbox, deliveries, commit)
    if RETENTION == 0 or commit.forget then
        -- The first write frees memory: so Redis lets the script go on at its memory limit, where workers must still work.
        -- What was kept before goes as well: a replay can do nothing with deliveries between which some are missing.
        redis.call('DEL', deliveries)
        redis.call('LTRIM', inbox, commit.count, -1)
        return redis.call('LINDEX', inbox, 0)
    end
    kept[#kept + 1], kept[#kept + 2] = NOW, commit.review_id
    local oldest = redis.call('LINDEX', deliveries, 0)
    if not oldest and #commit.dead_letters + #commit.redeliveries + #commit.repeats == 0
        and redis.call('LLEN', inbox) == commit.count then
        redis.call('RENAME', inbox, deliveries) -- most often: all of them, and none is kept yet
        redis.call('PEXPIRE', deliveries, RETENTION)
        return false
    end
    drop_old(deliveries, oldest)
    keep(inbox, deliveries, commit)
    redis.call('PEXPIRE', deliveries, RETENTION)
    return redis.call('LINDEX', inbox, 0)
end

local function schedule(commit, waiting)
    if waiting then
        redis.call('ZADD', WAITING, received_at(waiting), commit.review_id)
        redis.call('ZADD', DUE, 0, commit.review_id)
    else
        settled[#settled + 1] = commit.review_id
    end
end

local function move(member, before, after)
    if before == after then
        return
    end
    if before ~= '' then
        redis.call('ZREM', before, member)
    end
    if after ~= '' then
        redis.call('ZADD', after, 0, member)
    end
end

local checked = {}

-- Nothing within this script makes an index a key of another type: each is looked at once.
local function check_indexes(...)
    for _, index in ipairs({ ... }) do
        if index ~= '' and not checked[index] then
            redis.call('ZCARD', index)
            checked[index] = true
        end
    end
end

local function plan_verification(commit)
    if commit.verify_at == '' then
        return
    end
    if commit.verify_at == '0' then
        redis.call('ZREM', VERIFY, commit.review_id)
    else
        redis.call('ZADD', VERIFY, commit.verify_at, commit.review_id)
    end
    redis.call('HDEL', VERIFY_FAILURES, commit.review_id)
    if commit.again_at == '' then
        redis.call('ZREM', SECOND_LOOKS, commit.review_id)
    else
        redis.call('ZADD', SECOND_LOOKS, commit.again_at, commit.review_id)
    end
end

local function apply(commit)
    local prefix = PREFIX .. commit.review_id
    local inbox, changes, deliveries = prefix .. INBOX, prefix .. CHANGES, prefix .. DELIVERIES
    if delivery_at(inbox, 0) ~= commit.first
        or commit.count > 1 and delivery_at(inbox, commit.count - 1) ~= commit.last then
        return 0
    end
    if commit.corrupt ~= '' then
        local corrupt = string.sub(commit.corrupt, 2)
        if redis.call('GET', prefix .. RECORD) ~= corrupt then
            return 0 -- mended since it was read
        end
        redis.call('HSET', CORRUPT, commit.review_id, corrupt)
    end
    redis.call('LLEN', changes) -- a key of another type must fail before anything is written; so do the next
    check_indexes(commit.index_before, commit.index_after, commit.business_before, commit.business_after,
        commit.certainty_before, commit.certainty_after)
    schedule(commit, take_out(inbox, deliveries, commit))
    if commit.record ~= '' then
        redis.call('SET', prefix .. RECORD, commit.record)
    end
    if commit.forget then
        redis.call('DEL', changes, deliveries)
        redis.call('HDEL', CORRUPT, commit.review_id)
    end
    if commit.index_after ~= '' and commit.index_before ~= commit.index_after then
        redis.call('SADD', PARTNERS, commit.partner)
    end
    move(commit.member, commit.index_before, commit.index_after)
    move(commit.member, commit.business_before, commit.business_after)
    move(commit.member, commit.certainty_before, commit.certainty_after)
    if commit.certainty_after ~= '' then
        redis.call('ZADD', commit.certainty_after, 0, commit.member) -- an earlier release has not put it there
    end
    plan_verification(commit)
    for _, change in ipairs(commit.changes) do
        if change[1] ~= '' then
            redis.call('RPUSH', changes, change[1])
        end
        redis.call('XADD', FEED, 'MAXLEN', '~', FEED_LENGTH, '*', 'review_id', commit.review_id,
            'version', change[2], 'kind', change[3], 'delivery_id', change[4])
    end
    for _, dead_letter in ipairs(commit.dead_letters) do
        keep_dead_letter(DEAD_LETTERS, DEAD_BODIES, dead_letter[1], dead_letter[2], dead_letter[3])
    end
    for _, count in ipairs(commit.counts) do
        totals[count[1]] = (totals[count[1]] or 0) + count[2]
    end
    for _, redelivery in ipairs(commit.redeliveries) do
        if redelivery[1] ~= '' then
            redis.call('DEL', redelivery[1])
        end
    end
    apply_absence_events(commit.review_id, commit.absence_events)
    return 1
end

local function message(problem)
    return type(problem) == 'table' and problem.err or tostring(problem) -- a table from Redis 7 on
end

-- Keys of another type must fail before anything is written: what is written stays.
redis.call('XLEN', FEED)
for _, set in ipairs({ WAITING, DUE, VERIFY, SECOND_LOOKS }) do
    redis.call('ZCARD', set)
end
for _, hash in ipairs({ DEAD_LETTERS, DEAD_BODIES, CORRUPT, VERIFY_FAILURES }) do
    redis.call('HLEN', hash)
end
redis.call('SCARD', PARTNERS)

local answers = {}
while at < #COMMITS do
    local commit = read_commit()
    local ok, answer = pcall(apply, commit)
    answers[#answers + 1] = ok and answer or message(answer)
end
-- All is written: an error now must not keep the answers from whoever logs what was done.
if #settled > 0 then
    redis.pcall('ZREM', WAITING, unpack(settled))
    redis.pcall('ZREM', DUE, unpack(settled))
end
for name, total in pairs(totals) do
    redis.pcall('HINCRBY', COUNTERS, name, total)
end
if #kept > 0 then
    redis.pcall('ZADD', KEPT, unpack(kept))
    local expired = redis.pcall('ZRANGEBYSCORE', KEPT, '-inf', OLDEST_KEPT, 'LIMIT', 0, MAX_EXPIRED)
    if #expired > 0 then
        redis.pcall('ZREM', KEPT, unpack(expired))
    end
end
return answers

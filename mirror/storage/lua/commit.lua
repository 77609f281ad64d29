-- Applies decided deliveries to reviews, each review in one step: record, history, feed, indexes, counters, dead
-- letters, and the deliveries taken out of its inbox. Compare-and-set: does nothing to a review unless its inbox still
-- begins with the deliveries that were read. If the first is gone, another worker has applied it; if the last is not
-- where it was, the server has lost some (a failover, or a restart without the last second). Every change of a record
-- goes through its inbox.
-- Read by names.lua and absences.lua, which stand before this, as dead_letters.lua does: KEYS, by the names in OPTIONS;
-- ARGV[1], OPTIONS; ARGV[2], the names of fields and the commits as rows (`mirror/storage/commit.py` has both).
-- OPTIONS: retention is for how long raw deliveries are kept, in ms (0: not at all), oldest_kept the time in ms before
--          which they are dropped, deliveries_kept how many of a review are kept.
-- Returns for each review 1 when it was written, 0 when not, or the error that one of its keys gave.
local WAITING, DUE, FEED, COUNTERS = KEY.waiting, KEY.due, KEY.feed, KEY.counters
local PARTNERS, CORRUPT = KEY.partners, KEY.corrupt
local VERIFY, VERIFY_FAILURES, SECOND_LOOKS, KEPT = KEY.verify, KEY.verify_failures, KEY.second_looks, KEY.kept
local DEAD_LETTERS, DEAD_BODIES = KEY.dead_letters, KEY.dead_bodies
local PREFIX, RECORD, INBOX = OPTIONS.review_prefix, OPTIONS.record_suffix, OPTIONS.inbox_suffix
local CHANGES, DELIVERIES = OPTIONS.changes_suffix, OPTIONS.deliveries_suffix
local FEED_LENGTH, MAX_KEPT = OPTIONS.feed_length, OPTIONS.deliveries_kept
local RETENTION, OLDEST_KEPT = OPTIONS.retention, OPTIONS.oldest_kept
local COMMIT, CHANGE, DEAD_LETTER = FIELD.commit, FIELD.change, FIELD.dead_letter
local COUNT, REDELIVERY = FIELD.count, FIELD.redelivery
local ID_FIRST, ID_LAST = 3, 26 -- an inbox entry begins with `["`, then the delivery id of 24 hexadecimal digits
local TIME_LAST = 14 -- whose first 12 are the time of receipt in ms
local MAX_EXPIRED = 500 -- reviews taken out of `kept` at a time: more than come in with one claim

-- What is the same command for all reviews is done once, at the end.
local settled = {} -- reviews with no delivery left, no more than a claim takes
local kept = {} -- reviews of which raw deliveries are kept now, each after its score
local totals = {} -- what to add to the counters, by name

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
    for _, dead_letter in ipairs(commit[COMMIT.dead_letters]) do
        unreadable[dead_letter[DEAD_LETTER.delivery_id]] = true
    end
    local redelivered = {}
    for _, redelivery in ipairs(commit[COMMIT.redeliveries]) do
        redelivered[redelivery[REDELIVERY.place]] = redelivery[REDELIVERY.entry]
    end
    local repeats = {}
    for _, place in ipairs(commit[COMMIT.repeats]) do
        repeats[place] = true
    end
    for place = 0, commit[COMMIT.count] - 1 do
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
    if RETENTION == 0 or commit[COMMIT.forget] then
        -- The first write frees memory: so Redis lets the script go on at its memory limit, where workers must still work.
        -- What was kept before goes as well: a replay can do nothing with deliveries between which some are missing.
        redis.call('DEL', deliveries)
        redis.call('LTRIM', inbox, commit[COMMIT.count], -1)
        return redis.call('LINDEX', inbox, 0)
    end
    kept[#kept + 1], kept[#kept + 2] = NOW, commit[COMMIT.review_id]
    local oldest = redis.call('LINDEX', deliveries, 0)
    if not oldest and #commit[COMMIT.dead_letters] + #commit[COMMIT.redeliveries] + #commit[COMMIT.repeats] == 0
        and redis.call('LLEN', inbox) == commit[COMMIT.count] then
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
        redis.call('ZADD', WAITING, received_at(waiting), commit[COMMIT.review_id])
        redis.call('ZADD', DUE, 0, commit[COMMIT.review_id])
    else
        settled[#settled + 1] = commit[COMMIT.review_id]
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
    if commit[COMMIT.verify_at] == '' then
        return
    end
    if commit[COMMIT.verify_at] == '0' then
        redis.call('ZREM', VERIFY, commit[COMMIT.review_id])
    else
        redis.call('ZADD', VERIFY, commit[COMMIT.verify_at], commit[COMMIT.review_id])
    end
    redis.call('HDEL', VERIFY_FAILURES, commit[COMMIT.review_id])
    if commit[COMMIT.again_at] == '' then
        redis.call('ZREM', SECOND_LOOKS, commit[COMMIT.review_id])
    else
        redis.call('ZADD', SECOND_LOOKS, commit[COMMIT.again_at], commit[COMMIT.review_id])
    end
end

local function apply(commit)
    local prefix = PREFIX .. commit[COMMIT.review_id]
    local inbox, changes, deliveries = prefix .. INBOX, prefix .. CHANGES, prefix .. DELIVERIES
    if delivery_at(inbox, 0) ~= commit[COMMIT.first]
        or commit[COMMIT.count] > 1 and delivery_at(inbox, commit[COMMIT.count] - 1) ~= commit[COMMIT.last] then
        return 0
    end
    if commit[COMMIT.corrupt] ~= '' then
        local corrupt = string.sub(commit[COMMIT.corrupt], 2)
        if redis.call('GET', prefix .. RECORD) ~= corrupt then
            return 0 -- mended since it was read
        end
        redis.call('HSET', CORRUPT, commit[COMMIT.review_id], corrupt)
    end
    redis.call('LLEN', changes) -- a key of another type must fail before anything is written; so do the next
    check_indexes(commit[COMMIT.index_before], commit[COMMIT.index_after],
        commit[COMMIT.business_before], commit[COMMIT.business_after],
        commit[COMMIT.certainty_before], commit[COMMIT.certainty_after])
    schedule(commit, take_out(inbox, deliveries, commit))
    if commit[COMMIT.record] ~= '' then
        redis.call('SET', prefix .. RECORD, commit[COMMIT.record])
    end
    if commit[COMMIT.forget] then
        redis.call('DEL', changes, deliveries)
        redis.call('HDEL', CORRUPT, commit[COMMIT.review_id])
    end
    if commit[COMMIT.index_after] ~= '' and commit[COMMIT.index_before] ~= commit[COMMIT.index_after] then
        redis.call('SADD', PARTNERS, commit[COMMIT.partner])
    end
    move(commit[COMMIT.member], commit[COMMIT.index_before], commit[COMMIT.index_after])
    move(commit[COMMIT.member], commit[COMMIT.business_before], commit[COMMIT.business_after])
    move(commit[COMMIT.member], commit[COMMIT.certainty_before], commit[COMMIT.certainty_after])
    if commit[COMMIT.certainty_after] ~= '' then
        -- An earlier release has not put it there.
        redis.call('ZADD', commit[COMMIT.certainty_after], 0, commit[COMMIT.member])
    end
    plan_verification(commit)
    for _, change in ipairs(commit[COMMIT.changes]) do
        if change[CHANGE.entry] ~= '' then
            redis.call('RPUSH', changes, change[CHANGE.entry])
        end
        redis.call('XADD', FEED, 'MAXLEN', '~', FEED_LENGTH, '*', 'review_id', commit[COMMIT.review_id],
            'version', change[CHANGE.version], 'kind', change[CHANGE.kind], 'delivery_id', change[CHANGE.delivery_id])
    end
    for _, dead_letter in ipairs(commit[COMMIT.dead_letters]) do
        keep_dead_letter(DEAD_LETTERS, DEAD_BODIES, dead_letter[DEAD_LETTER.delivery_id],
            dead_letter[DEAD_LETTER.dead_letter], dead_letter[DEAD_LETTER.digest])
    end
    for _, count in ipairs(commit[COMMIT.counts]) do
        totals[count[COUNT.name]] = (totals[count[COUNT.name]] or 0) + count[COUNT.increment]
    end
    for _, redelivery in ipairs(commit[COMMIT.redeliveries]) do
        if redelivery[REDELIVERY.attempt] ~= '' then
            redis.call('DEL', redelivery[REDELIVERY.attempt])
        end
    end
    apply_absence_events(commit[COMMIT.review_id], commit[COMMIT.absence_events])
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
for _, commit in ipairs(ROWS) do
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

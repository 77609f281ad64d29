-- Absences: which go on, how many began and how they ended, and the incidents that many together are.
-- The first part of commit.lua, so that all this is written with the commit that tells of it, once in effect.
-- `docs/architecture.md` says what an incident is, `mirror/storage/absences.py` what an absence event is.
-- Its keys and options come by names (names.lua, which stands before this). OPTIONS: incident_window is in ms, from
-- incident_reviews absences and a share of incident_share on they are an incident; live_prefix and business_prefix begin
-- the indexes of live reviews by partner and of reviews by business.
local ABSENCES, ABSENT_BUSINESSES, INCIDENTS = KEY.absences, KEY.absent_businesses, KEY.incidents
local STATS, RECENT = OPTIONS.stats_prefix, OPTIONS.recent_prefix
local INCIDENT, HELD = OPTIONS.incident_prefix, OPTIONS.held_prefix
local LIVE, BUSINESS, NOW = OPTIONS.live_prefix, OPTIONS.business_prefix, OPTIONS.now
local WINDOW, MIN_REVIEWS, SHARE = OPTIONS.incident_window, OPTIONS.incident_reviews, OPTIONS.incident_share
local EVENT = FIELD.absence_event
local FORGET_RECENT_MS = 60000 -- past two windows: what the next absences are counted with is long gone

local function each_count(event, add)
    for name, by in string.gmatch(event.counts, '(%S+) (%S+)') do
        add(name, by)
    end
end

local function count(event)
    each_count(event, function(name, by)
        redis.call('HINCRBY', STATS .. 'all', name, by)
        for _, scope in ipairs(event.scopes) do
            redis.call('HINCRBY', STATS .. scope.name, name, by)
        end
        if name == 'absences' and event.business ~= '' then
            redis.call('ZINCRBY', ABSENT_BUSINESSES, by, event.business)
        end
    end)
end

local function live_reviews(scope)
    if scope.kind == 'partner' then
        return redis.call('ZCARD', LIVE .. scope.of)
    end
    local began, returned = unpack(redis.call('HMGET', STATS .. scope.name, 'absences', 'returned'))
    local absent = (tonumber(began) or 0) - (tonumber(returned) or 0)
    return math.max(0, redis.call('ZCARD', BUSINESS .. scope.of) - absent)
end

local function extend(scope, absences, first, last)
    local incident = INCIDENT .. scope.name
    if redis.call('EXISTS', incident) == 0 then
        redis.call('HSET', incident, 'opened_at', NOW, 'first_vanished_at', first, 'last_vanished_at', last)
        redis.call('SADD', INCIDENTS, scope.name)
    end
    redis.call('HINCRBY', incident, 'absences', absences)
    if tonumber(first) < tonumber(redis.call('HGET', incident, 'first_vanished_at')) then
        redis.call('HSET', incident, 'first_vanished_at', first)
    end
    if tonumber(last) > tonumber(redis.call('HGET', incident, 'last_vanished_at')) then
        redis.call('HSET', incident, 'last_vanished_at', last)
    end
end

-- An absence that begins close to the others of an open incident belongs to it.
local function join(id, event)
    for _, scope in ipairs(event.scopes) do
        local first, last, closing = unpack(
            redis.call('HMGET', INCIDENT .. scope.name, 'first_vanished_at', 'last_vanished_at', 'closing_at'))
        if first and not closing and event.at >= first - WINDOW and event.at <= last + WINDOW then
            extend(scope, 1, event.at_text, event.at_text)
            redis.call('ZADD', HELD .. scope.name, event.at_text, id)
            return true
        end
    end
    return false
end

local function take(scope, event, from)
    local members = redis.call('ZRANGEBYSCORE', RECENT .. scope.name, from, from + WINDOW, 'WITHSCORES')
    extend(scope, #members / 2, members[2], members[#members])
    for place = 1, #members, 2 do
        redis.call('ZADD', HELD .. scope.name, members[place + 1], members[place])
        redis.call('ZREM', ABSENCES, members[place])
        for _, each in ipairs(event.scopes) do
            redis.call('ZREM', RECENT .. each.name, members[place])
        end
    end
end

-- The begin of a window with enough absences for an incident. In order, it ends with this absence; deliveries of
-- different reviews may be applied a little out of order.
local function burst_around(scope, moment)
    local recent, from, to = RECENT .. scope.name, moment - WINDOW, moment + WINDOW
    local around = redis.call('ZCOUNT', recent, from, to)
    if around < MIN_REVIEWS then
        return nil
    end
    local live = live_reviews(scope)
    local function enough(absences)
        return absences >= MIN_REVIEWS and absences >= SHARE * (live + absences)
    end
    if not enough(around) then
        return nil
    end
    local members = redis.call('ZRANGEBYSCORE', recent, from, to, 'WITHSCORES')
    local first = 2 -- scores stand at even places
    for last = 2, #members, 2 do
        while members[last] - members[first] > WINDOW do
            first = first + 2
        end
        if enough((last - first) / 2 + 1) then
            return tonumber(members[first])
        end
    end
    return nil
end

local function open_or_leave_free(event)
    for _, scope in ipairs(event.scopes) do
        local closing = redis.call('HEXISTS', INCIDENT .. scope.name, 'closing_at') == 1
        local from = not closing and burst_around(scope, event.at)
        if from then
            return take(scope, event, from)
        end
    end
end

local function begin(id, event)
    if join(id, event) then
        return
    end
    redis.call('ZADD', ABSENCES, event.at_text, id)
    for _, scope in ipairs(event.scopes) do
        local recent = RECENT .. scope.name
        redis.call('ZREMRANGEBYSCORE', recent, '-inf', event.at - 2 * WINDOW)
        redis.call('ZADD', recent, event.at_text, id)
        redis.call('PEXPIRE', recent, 2 * WINDOW + FORGET_RECENT_MS)
    end
    open_or_leave_free(event)
end

local function finish(id, event)
    redis.call('ZREM', ABSENCES, id)
    for _, scope in ipairs(event.scopes) do
        redis.call('ZREM', RECENT .. scope.name, id)
        if redis.call('ZREM', HELD .. scope.name, id) == 1 then
            each_count(event, function(name, by)
                redis.call('HINCRBY', INCIDENT .. scope.name, name, by)
            end)
        end
    end
end

local function postpone(id, event)
    for _, scope in ipairs(event.scopes) do
        if redis.call('ZSCORE', HELD .. scope.name, id) then
            return
        end
    end
    redis.call('ZADD', ABSENCES, 'NX', event.at_text, id) -- it may have been about an absence before this one
end

-- An absence whose deletion names another business or partner now belongs to the incidents of these.
local function move_from(id, event)
    local counts_from = redis.call('ZSCORE', ABSENCES, id)
    finish(id, event)
    if counts_from then
        redis.call('ZADD', ABSENCES, counts_from, id)
    end
end

local function move_to(id, event)
    if string.find(event.counts, 'gone', 1, true) then
        return -- no absence to be checked any more
    end
    local counts_from = redis.call('ZSCORE', ABSENCES, id)
    redis.call('ZREM', ABSENCES, id)
    begin(id, event)
    if counts_from and redis.call('ZSCORE', ABSENCES, id) then
        redis.call('ZADD', ABSENCES, counts_from, id)
    end
end

local STEPS = {
    began = begin, returned = finish, gone = finish, forgotten = finish, postponed = postpone,
    moved_from = move_from, moved_to = move_to,
}

local function apply_absence_events(id, rows)
    for _, row in ipairs(rows) do
        local business, at_text = row[EVENT.business], row[EVENT.at]
        local event = {
            at_text = at_text, at = tonumber(at_text), business = business, counts = row[EVENT.counts], scopes = {},
        }
        -- The narrower scope first: an absence belongs to one incident.
        for _, scope in ipairs({ { 'business', business }, { 'partner', row[EVENT.partner] } }) do
            if scope[2] ~= '' then
                event.scopes[#event.scopes + 1] = { kind = scope[1], of = scope[2], name = scope[1] .. ':' .. scope[2] }
            end
        end
        count(event)
        local step = STEPS[row[EVENT.kind]]
        if step then
            step(id, event)
        end
    end
end

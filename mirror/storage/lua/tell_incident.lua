-- Tells the first caller, and no other, that an incident is open, so that it is logged once; and tells the feed.
-- KEYS: the incident, its missing reviews, feed. ARGV: its scope, when it was opened, feed length
local INCIDENT, MISSING, FEED = unpack(KEYS)
local SCOPE, OPENED_AT, FEED_LENGTH = unpack(ARGV)
if redis.call('HGET', INCIDENT, 'opened_at') ~= OPENED_AT then
    return 0 -- closed meanwhile; nothing must be written to its key
end
if redis.call('HSETNX', INCIDENT, 'told', 1) == 0 then
    return 0
end
local facts = { scope = SCOPE, missing = tostring(redis.call('ZCARD', MISSING)) }
local found = redis.call('HGETALL', INCIDENT)
for place = 1, #found, 2 do
    facts[found[place]] = found[place + 1]
end
redis.call('XADD', FEED, 'MAXLEN', '~', FEED_LENGTH, '*', 'kind', 'incident.opened', 'facts', cjson.encode(facts))
return 1

-- Writes how far the sending to an endpoint has come, in one step; refused to whoever does not hold its lease any more,
-- or whose idea of its cursor and its items is old.
-- KEYS: endpoints, lease, cursor, pending, parked, facts, answers
-- ARGV: endpoint id, who holds the lease, epoch, then one msgpack map:
--   cursor ('' to leave it), put and park (place -> item), drop (places), counts (name -> increment),
--   facts (name -> value), answers (JSON each), answers_kept, parked_kept
-- Returns 1 when it was written, 0 when not.
local ENDPOINTS, LEASE, CURSOR, PENDING, PARKED, FACTS, ANSWERS = unpack(KEYS)
local ID, HOLDER, EPOCH = unpack(ARGV)
local news = cmsgpack.unpack(ARGV[4])

local endpoint = redis.call('HGET', ENDPOINTS, ID)
if redis.call('GET', LEASE) ~= HOLDER or not endpoint then
    return 0
end
if tostring(cjson.decode(endpoint).epoch or 0) ~= EPOCH then
    return 0
end
if news.cursor ~= '' then
    redis.call('SET', CURSOR, news.cursor)
end
for place, item in pairs(news.put) do
    redis.call('HSET', PENDING, place, item)
end
for place, item in pairs(news.park) do
    redis.call('HSET', PARKED, place, item)
end
for _, place in ipairs(news.drop) do
    redis.call('HDEL', PENDING, place)
end
for name, increment in pairs(news.counts) do
    redis.call('HINCRBY', FACTS, name, increment)
end
for name, value in pairs(news.facts) do
    redis.call('HSET', FACTS, name, value)
end
for _, answer in ipairs(news.answers) do
    redis.call('LPUSH', ANSWERS, answer)
end
redis.call('LTRIM', ANSWERS, 0, news.answers_kept - 1)
if redis.call('HLEN', PARKED) > news.parked_kept then
    local places = redis.call('HKEYS', PARKED)
    table.sort(places)
    for number = 1, #places - news.parked_kept do
        redis.call('HDEL', PARKED, places[number])
    end
end
return 1

-- Begins or ends a silence, once: the first caller tells the feed, and is told so.
-- KEYS: silence, feed. ARGV: the feed's kind, since when it is silent, the feed's facts, feed length; to begin it, also
-- names and values to remember
local SILENCE, FEED = unpack(KEYS)
local KIND, SINCE, FACTS, FEED_LENGTH = unpack(ARGV)
local since = redis.call('HGET', SILENCE, 'since')
if KIND == 'silence.began' then
    if since or redis.call('HGET', SILENCE, 'last_at') ~= SINCE then
        return 0 -- told already, or a delivery has come
    end
    redis.call('HSET', SILENCE, 'since', SINCE, unpack(ARGV, 5))
else
    if since ~= SINCE then
        return 0
    end
    redis.call('HDEL', SILENCE, 'since', 'began_at', 'reason')
end
redis.call('XADD', FEED, 'MAXLEN', '~', FEED_LENGTH, '*', 'kind', KIND, 'facts', FACTS)
return 1

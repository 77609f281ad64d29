-- Puts checks of absences, whose grace seems over, into the inboxes of their reviews, behind what waits there.
-- KEYS: absences, waiting, due
-- ARGV: prefix of a review's keys, inbox suffix, the moment that is checked for in ms,
--       review id (as text), score it was found with, inbox entry ('' drops the absence), review id, ... as one msgpack
--       array
-- An absence is taken off the list with its check, so that another worker, or a repeated write, puts no second one.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local values = cmsgpack.unpack(ARGV[4])
local count = 0
for at = 1, #values, 3 do
    local review_id, score, entry = values[at], values[at + 1], values[at + 2]
    local inbox = ARGV[1] .. review_id .. ARGV[2]
    if redis.call('ZSCORE', KEYS[1], review_id) == score then
        redis.call('ZREM', KEYS[1], review_id)
        if type(redis.pcall('LLEN', inbox)) ~= 'number' then
            redis.call('ZADD', KEYS[1], ARGV[3], review_id) -- no inbox, whatever it is: to be looked at a grace later
        elseif entry ~= '' then
            redis.call('RPUSH', inbox, entry)
            redis.call('ZADD', KEYS[2], 'NX', now, review_id)
            redis.call('ZADD', KEYS[3], 'NX', now, review_id)
            count = count + 1
        end
    end
end
return count

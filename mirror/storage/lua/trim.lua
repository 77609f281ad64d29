-- Trims the beginning of a review's history, in one step: the entry at a place becomes a marker, those before it go.
-- Compare-and-set: does nothing unless the first entry and the one at that place are those that were read. Commits only
-- append, so they do not disturb it.
-- KEYS: changes
-- ARGV: first entry, place, entry there, marker
if redis.call('LINDEX', KEYS[1], 0) ~= ARGV[1] or redis.call('LINDEX', KEYS[1], ARGV[2]) ~= ARGV[3] then
    return 0
end
redis.call('LTRIM', KEYS[1], ARGV[2], -1)
redis.call('LSET', KEYS[1], 0, ARGV[4])
return 1

-- Tells the first caller, and no other, that an incident is open, so that it is logged once.
-- KEYS: the incident. ARGV: when it was opened
if redis.call('HGET', KEYS[1], 'opened_at') ~= ARGV[1] then
    return 0 -- closed meanwhile; nothing must be written to its key
end
return redis.call('HSETNX', KEYS[1], 'told', 1)

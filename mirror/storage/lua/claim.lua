-- Claims reviews that have deliveries waiting and returns each with its record and the head of its inbox, or with the
-- error that reading these gave.
-- KEYS: due, waiting, nudge
-- ARGV: most reviews, lease in ms, most deliveries of one review, bytes after which to claim no more,
--       prefix of a review's keys, record suffix, inbox suffix
-- The keys of the reviews are only known here: the mirror runs on single servers, sharded by review, not on a cluster.
-- The first write frees memory: so Redis lets the script go on at its memory limit, where workers must still work.
redis.call('DEL', KEYS[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local budget = tonumber(ARGV[4])

local function head_of(inbox)
    local entries = {}
    while #entries < tonumber(ARGV[3]) and budget > 0 do
        local entry = redis.call('LINDEX', inbox, #entries)
        if not entry then
            break
        end
        entries[#entries + 1] = entry
        budget = budget - #entry
    end
    return entries
end

local function read(prefix)
    local entries = head_of(prefix .. ARGV[7])
    return entries, #entries > 0 and redis.call('GET', prefix .. ARGV[6])
end

local claimed, leases = {}, {}
for _, id in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now, 'LIMIT', 0, ARGV[1])) do
    local ok, entries, record = pcall(read, ARGV[5] .. id)
    if not ok then
        -- A key of another type holds up no other review: this one is tried again when its lease ends.
        leases[#leases + 1], leases[#leases + 2] = now + ARGV[2], id
        claimed[#claimed + 1] = { id, false, {}, type(entries) == 'table' and entries.err or entries }
    elseif #entries > 0 then
        leases[#leases + 1], leases[#leases + 2] = now + ARGV[2], id
        claimed[#claimed + 1] = { id, record, entries }
        budget = budget - (record and #record or 0)
    else
        -- An inbox that the server has lost: nothing waits here any more.
        redis.call('ZREM', KEYS[1], id)
        redis.call('ZREM', KEYS[2], id)
    end
    if budget <= 0 then
        break
    end
end
if #leases > 0 then
    redis.call('ZADD', KEYS[1], 'XX', unpack(leases))
end
return claimed

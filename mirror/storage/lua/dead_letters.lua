-- Keeping dead letters: of identical bodies one, the newest, with how often they came and what the first was called.
-- A part of commit.lua and of keep_dead_letter.lua.
local function keep_dead_letter(dead_letters, bodies, delivery_id, dead_letter, digest)
    local copies, first = 0, delivery_id
    local known = redis.call('HGET', bodies, digest)
    if known then
        local last, earlier, oldest = string.match(known, '^(%S+) (%S+) (%S+)$')
        -- The newest stays, as what is retried must not undo what came after the first.
        if last and last ~= delivery_id and redis.call('HDEL', dead_letters, last) == 1 then
            copies, first = tonumber(earlier) + 1, oldest
        end
    end
    redis.call('HSET', bodies, digest, string.format('%s %d %s', delivery_id, copies, first))
    redis.call('HSET', dead_letters, delivery_id, dead_letter)
end


-- Names for what a script is given. A part of commit.lua, the first.
-- ARGV[1] is a msgpack map, OPTIONS; its `keys` names KEYS in their order. ARGV[2] is a msgpack array: the names of the
-- fields of each kind of row, and rows. So both sides go by names, and no name is sent more than once.
local OPTIONS = cmsgpack.unpack(ARGV[1])
local FIELDS, ROWS = unpack(cmsgpack.unpack(ARGV[2]))
local KEY = {}
for place, name in ipairs(OPTIONS.keys) do
    KEY[name] = KEYS[place]
end
-- Where a field stands in a row, by kind and name. A table by name for each row would cost more than all else here.
local FIELD = {}
for kind, names in pairs(FIELDS) do
    FIELD[kind] = {}
    for place, name in ipairs(names) do
        FIELD[kind][name] = place
    end
end


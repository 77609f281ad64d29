-- Keeps a dead letter in one step, after dead_letters.lua.
-- KEYS: dead letters, bodies of dead letters
-- ARGV: delivery id, letter, digest of its body
keep_dead_letter(KEYS[1], KEYS[2], ARGV[1], ARGV[2], ARGV[3])
return 1

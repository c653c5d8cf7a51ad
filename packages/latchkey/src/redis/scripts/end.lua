#!lua flags=allow-oom
-- end: ends a session of this owner by its string alone, while its slot is being moved and revoke
-- cannot run. The record ends with its own deadline, and a list forgets the index entry.
--
-- KEYS  1 session string
-- ARGV  1 owner ('' anonymous)
-- REPLY {key, 'revoked'}, or {key, 'absent'}: dead already or somebody else's; then nothing was changed

if redis.pcall('GET', KEYS[1]) ~= ARGV[1] then return {KEYS[1], 'absent'} end
redis.call('DEL', KEYS[1])
return {KEYS[1], 'revoked'}

#!lua flags=allow-oom
-- revoke: ends a session of this owner, with its record and its entry in the owner's index.
--
-- KEYS  1 session string   2 record   3 barrier of the slot   4 where it went
--       5 owner's index (absent: in none)
-- ARGV  1 sid   2 owner ('' anonymous)
-- REPLY {key, 'revoked'}
--    or {key, 'moved', sid}: rotated, and the caller means what it became, however long ago
--    or {key, 'absent'}: dead already or somebody else's. In both nothing was changed.
--
-- allow-oom: a full Redis must still let people log out.
-- include: session

local found, why = live(KEYS[1], KEYS[2], KEYS[3], clock())
if not found and why == 'missing' then
  local to = successor(KEYS[4])
  return to and {KEYS[1], 'moved', to.sid} or {KEYS[1], 'absent'}
end
-- One with a foreign value beside it is ended all the same, if its string is the owner's.
if redis.pcall('GET', KEYS[1]) ~= ARGV[2] then return {KEYS[1], 'absent'} end

redis.call('DEL', KEYS[1], KEYS[2])
-- pcall: a foreign value under the index key must not make a done logout look undone.
if KEYS[5] then redis.pcall('ZREM', KEYS[5], ARGV[1]) end
return {KEYS[1], 'revoked'}

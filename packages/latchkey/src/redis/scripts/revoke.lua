#!lua flags=allow-oom
-- revoke: ends a session of this owner, with its record and its entry in the owner's index.
--
-- KEYS  1 session string   2 record   3 owner's index (absent: the session is in none)
-- ARGV  1 sid   2 owner ('' anonymous)
-- REPLY 'revoked', or 'absent': dead already or somebody else's, and nothing was changed
--
-- allow-oom: a full Redis must still let people log out.

local user = redis.pcall('GET', KEYS[1])
if user ~= ARGV[2] then return 'absent' end

redis.call('DEL', KEYS[1], KEYS[2])
-- pcall: a foreign value under the index key must not make a done logout look undone.
if KEYS[3] then redis.pcall('ZREM', KEYS[3], ARGV[1]) end
return 'revoked'

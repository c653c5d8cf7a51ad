#!lua flags=no-writes
-- load: all that is kept of one session. Nothing is changed.
--
-- KEYS  1 session string   2 record   3 barrier of the slot   4 where it went
-- ARGV  1 most fields that a record of ours has
-- REPLY {key, 'missing'}
--    or {key, 'corrupt', reason}: a foreign value, never sent along, it may be of any size
--    or {key, 'moved', sid, hash of the old secret or '', ms of grace left, below 1: over}
--    or {key, 'found', now, user, deadline, field, value, …} with all fields of the record
-- include: session

local now = clock()
local found, why = live(KEYS[1], KEYS[2], KEYS[3], now)
if not found then
  if why == 'missing' then
    local to = successor(KEYS[4])
    if not to then return {KEYS[1], why} end
    -- Negative: ended at once, then.
    local left = to.ends < 0 and math.min(-to.ends - now, 0) or to.ends - now
    return {KEYS[1], 'moved', to.sid, to.hash, left}
  end
  return {KEYS[1], 'corrupt', why}
end
if redis.call('HLEN', KEYS[2]) > tonumber(ARGV[1]) then
  return {KEYS[1], 'corrupt', 'the record has too many fields'}
end
local reply = {KEYS[1], 'found', now, found.user, found.deadline}
for _, part in ipairs(redis.call('HGETALL', KEYS[2])) do reply[#reply + 1] = part end
return reply

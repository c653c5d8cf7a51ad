#!lua
-- rotate: gives a live session a new secret, or where there are KEYS 5 to 7 a new id, at one moment.
--
-- KEYS  1 session string   2 record   3 barrier of the slot   4 where it went
--       5 string of the new id, 6 its record, 7 its own `next` (absent: the id stays)
--       8 user's index (absent: in none)
-- ARGV  1 sid   2 new sid   3 hash of the holder's secret ('' none)   4 hash of the new one ('' none)
--       5 seed of the new one ('' none)   6 grace in ms (0 none, with a new id only)
--       7 ms to remember the old id after that   8 '1' if the holder's id was rotated into this one
--       9 of a new login: absolute timeout in ms (0 no login)   10 idle timeout in ms (0 none)
--       11 generation known before (-1 none)   12 device ('' as it was)
-- REPLY {key, 'rotated', sid, now, deadline, absolute end}
--    or {key, 'repeated', sid, seed}, {key, 'kept'}, {key, 'exists'}, {key, 'stale'}, {key, 'gone'},
--       {key, 'moved', sid}: nothing was changed
--
-- The string is written last, as in create; the old one goes before it: two never live.
-- include: session

local now, grace, login = clock(), tonumber(ARGV[6]), tonumber(ARGV[9])
local found = live(KEYS[1], KEYS[2], KEYS[3], now)
if not found then
  local to = successor(KEYS[4])
  if not to or to.ends <= now or to.hash ~= ARGV[3] then return {KEYS[1], 'gone'} end
  return {KEYS[1], 'moved', to.sid}
end

local kept = redis.call('HMGET', KEYS[2], 's', 'p', 'q')
local inGrace = (tonumber(kept[3] or 0) or 0) > now
local isNewest = (kept[1] or '') == ARGV[3] and ARGV[8] ~= '1'
local isBefore = ARGV[8] == '1' or inGrace and kept[2] == ARGV[3]
if not isNewest and not isBefore then return {KEYS[1], 'gone'} end
if grace > 0 then
  -- While the grace of the last rotation runs there is no other: who has the token before gets the
  -- same new one, who has the new one keeps it.
  local seed = redis.pcall('GET', KEYS[4])
  local isYoung = type(seed) == 'string'
  if isBefore and isYoung then return {KEYS[1], 'repeated', ARGV[1], seed} end
  if isBefore or isYoung then return {KEYS[1], 'kept'} end
end

local deadline, absolute = math.min(found.deadline, found.absolute), found.absolute
if not KEYS[5] then
  redis.call('HSET', KEYS[2], 's', ARGV[4], 'p', ARGV[3], 'q', int(now + grace))
  redis.call('SET', KEYS[4], ARGV[5], 'PX', int(grace))
  return {KEYS[1], 'rotated', ARGV[1], now, deadline, absolute}
end

if redis.call('EXISTS', KEYS[5], KEYS[7]) > 0 then return {KEYS[1], 'exists'} end
if login > 0 then
  local known, idle = tonumber(ARGV[11]), tonumber(ARGV[10])
  if known >= 0 and generation(KEYS[3], found.user) > known then return {KEYS[1], 'stale'} end
  absolute = now + login
  deadline = idle > 0 and math.min(now + idle, absolute) or absolute
end

-- What could fail on a foreign value comes first: Redis does not roll back.
if KEYS[8] and type(redis.pcall('ZSCORE', KEYS[8], ARGV[1])) == 'string' then
  redis.call('ZREM', KEYS[8], ARGV[1])
  enlist(KEYS[8], ARGV[2], deadline)
end
redis.call('DEL', KEYS[6])
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('RENAME', KEYS[2], KEYS[6])
  redis.call('HDEL', KEYS[6], 'p', 'q')
  if ARGV[4] ~= '' then redis.call('HSET', KEYS[6], 's', ARGV[4]) end
end
-- As in create: a record is for what must be kept beside the user and the end.
if login > 0 and (redis.call('EXISTS', KEYS[6]) == 1 or ARGV[10] ~= '0' or ARGV[12] ~= '') then
  redis.call('HSET', KEYS[6], 't', int(now), 'l', int(now), 'a', int(absolute))
  if ARGV[12] ~= '' then redis.call('HSET', KEYS[6], 'd', ARGV[12]) end
end
redis.call('PEXPIREAT', KEYS[6], int(deadline))
local ends = grace > 0 and now + grace or -now
local went = int(ends) .. ' ' .. ARGV[2] .. ' ' .. (kept[1] or '')
redis.call('SET', KEYS[4], went, 'PX', int(grace + tonumber(ARGV[7])))
if grace > 0 then redis.call('SET', KEYS[7], '-', 'PX', int(grace)) end
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[5], found.user, 'PXAT', int(deadline))
return {KEYS[1], 'rotated', ARGV[2], now, deadline, absolute}

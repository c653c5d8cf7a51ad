#!lua
-- rotate: gives a live session a new secret, and where there are KEYS 5 and 6 a new id, at one moment.
--
-- KEYS  1 session string   2 record   3 barrier of the slot   4 where it went
--       5 string of the new id, 6 its record (absent: the id stays)   7 user's index (absent: in none)
-- ARGV  1 sid   2 new sid   3 hash of the holder's secret ('' none)   4 hash of the new one ('' none)
--       5 seed of the new one ('' none)   6 grace in ms   7 ms to remember the old id after that
--       8 of a new login: absolute timeout in ms (0 no login)   9 idle timeout in ms (0 none)
--       10 generation known before (-1 none)   11 device ('' as it was)
-- REPLY {key, 'rotated', now, deadline, absolute end}
--    or {key, 'repeated', sid, seed}, {key, 'kept'}, {key, 'exists'}, {key, 'stale'}, {key, 'gone'},
--       {key, 'moved', sid}: nothing was changed
--
-- The string is written last, as in create; the old one goes before it: two never live.
-- include: session

local now, grace, login = clock(), tonumber(ARGV[6]), tonumber(ARGV[8])
local found = live(KEYS[1], KEYS[2], KEYS[3], now)
if not found then
  local to = successor(KEYS[4])
  if not to or to.ends <= now or to.hash ~= ARGV[3] then return {KEYS[1], 'gone'} end
  -- No grace for what is asked now: then it is the session of now that gets a new token.
  return grace > 0 and {KEYS[1], 'repeated', to.sid, ''} or {KEYS[1], 'moved', to.sid}
end

local kept = redis.call('HMGET', KEYS[2], 's', 'p', 'q', 'n')
local inGrace = (tonumber(kept[3] or 0) or 0) > now
local isNewest = (kept[1] or '') == ARGV[3]
if not isNewest and not (inGrace and kept[2] == ARGV[3]) then return {KEYS[1], 'gone'} end
if grace > 0 and not isNewest then return {KEYS[1], 'repeated', ARGV[1], kept[4] or ''} end
if grace > 0 and inGrace and not KEYS[5] then return {KEYS[1], 'kept'} end

if not KEYS[5] then
  redis.call('HSET', KEYS[2], 's', ARGV[4], 'p', ARGV[3], 'q', int(now + grace), 'n', ARGV[5])
  return {KEYS[1], 'rotated', now, math.min(found.deadline, found.absolute), found.absolute}
end

if redis.call('EXISTS', KEYS[5]) == 1 then return {KEYS[1], 'exists'} end
local deadline, absolute = math.min(found.deadline, found.absolute), found.absolute
if login > 0 then
  local known, idle = tonumber(ARGV[10]), tonumber(ARGV[9])
  if known >= 0 and generation(KEYS[3], found.user) > known then return {KEYS[1], 'stale'} end
  absolute = now + login
  deadline = idle > 0 and math.min(now + idle, absolute) or absolute
end

-- What could fail on a foreign value comes first: Redis does not roll back.
if KEYS[7] and type(redis.pcall('ZSCORE', KEYS[7], ARGV[1])) == 'string' then
  redis.call('ZREM', KEYS[7], ARGV[1])
  enlist(KEYS[7], ARGV[2], deadline)
end
redis.call('DEL', KEYS[6])
if redis.call('EXISTS', KEYS[2]) == 1 then
  redis.call('RENAME', KEYS[2], KEYS[6])
  redis.call('HDEL', KEYS[6], 'p', 'q', 'n')
  if ARGV[4] ~= '' then redis.call('HSET', KEYS[6], 's', ARGV[4]) end
  if login > 0 then
    redis.call('HSET', KEYS[6], 't', int(now), 'l', int(now), 'a', int(absolute))
    if ARGV[11] ~= '' then redis.call('HSET', KEYS[6], 'd', ARGV[11]) end
  end
  redis.call('PEXPIREAT', KEYS[6], int(deadline))
end
local went = int(now + grace) .. ' ' .. ARGV[2] .. ' ' .. ARGV[3]
redis.call('SET', KEYS[4], went, 'PX', int(grace + tonumber(ARGV[7])))
redis.call('DEL', KEYS[1])
redis.call('SET', KEYS[5], found.user, 'PXAT', int(deadline))
return {KEYS[1], 'rotated', now, deadline, absolute}

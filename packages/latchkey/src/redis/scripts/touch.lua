#!lua flags=allow-oom
-- touch: moves the idle deadline of a live session, at most once in an interval.
--
-- KEYS  1 session string   2 record   3 barrier of the slot   4 where it went
--       5 user's index (absent: in none)
-- ARGV  1 sid   2 idle timeout in ms (0 none)   3 interval in ms
-- REPLY {key, 'live', now, deadline}, {key, 'moved', sid} or {key, 'gone'}
--
-- A session without record has a fixed life, and without an idle timeout use prolongs nothing.
-- include: session

local now = clock()
local found = live(KEYS[1], KEYS[2], KEYS[3], now)
if not found then return ended(KEYS[1], KEYS[4], now) end

local kept = redis.call('HMGET', KEYS[2], 'a', 'c', 'l')
local seen = tonumber(kept[3] or kept[2] or now) or now
local idle = tonumber(ARGV[2])
local deadline = math.min(now + idle, found.absolute)
if not kept[1] or idle == 0 or now - seen < tonumber(ARGV[3]) then
  return {KEYS[1], 'live', now, math.min(found.deadline, found.absolute)}
end

redis.call('HSET', KEYS[2], 'l', int(now))
if deadline <= found.deadline then
  return {KEYS[1], 'live', now, math.min(found.deadline, found.absolute)}
end
redis.call('PEXPIREAT', KEYS[2], int(deadline))
redis.call('PEXPIREAT', KEYS[1], int(deadline))
local isListed = KEYS[5] and type(redis.pcall('ZSCORE', KEYS[5], ARGV[1])) == 'string'
if isListed then enlist(KEYS[5], ARGV[1], deadline) end
return {KEYS[1], 'live', now, deadline}

#!lua flags=allow-oom
-- revoke-user: raises the generation of a user, and with it ends all his sessions at this moment.
-- What is left of them is taken out of the index, to be cleared away later by sweep.
--
-- KEYS  1 user's index   2 barrier of the slot   3 index of what is to be swept
--       4 session string of the exception, 5 its record, 6 where it went (absent: none)
-- ARGV  1 user   2 longest life that any session may have in ms   3 sid of the exception
-- REPLY {key, 'raised', generation}
--    or {key, 'moved', sid}: the exception was rotated; nothing was changed
-- include: session

local now, longest = clock(), tonumber(ARGV[2])
local except = KEYS[4] and live(KEYS[4], KEYS[5], KEYS[2], now)
if KEYS[4] and not except then
  local to = successor(KEYS[6])
  if to then return {KEYS[1], 'moved', to.sid} end
end
-- Above every generation of the slot: also those that a clock ahead of this one has made.
local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')
local raised = math.max(tonumber(last[2] or 0) + 1, now)
redis.call('ZADD', KEYS[2], int(raised), ARGV[1])
-- Generations older than the longest life that any session may have end nothing any more. Not than
-- the one that is configured: it may have been longer when the sessions were made.
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', '(' .. int(now - longest))
redis.call('PEXPIRE', KEYS[2], int(longest))

if except and except.user == ARGV[1] then
  redis.call('HSET', KEYS[5], 'g', int(raised))
  redis.call('PEXPIREAT', KEYS[5], int(except.deadline))
else
  except = nil
end
local listed = redis.call('TYPE', KEYS[1]).ok == 'zset'
if listed and redis.call('EXISTS', KEYS[3]) == 1 then
  -- A sweep that was cut off has left some behind; they wait for this one.
  redis.call('ZUNIONSTORE', KEYS[3], 2, KEYS[3], KEYS[1], 'AGGREGATE', 'MAX')
  redis.call('DEL', KEYS[1])
elseif listed then
  -- O(1), while 10,000 sessions would take 30 ms to remove. Its end comes along.
  redis.call('RENAME', KEYS[1], KEYS[3])
end
local swept = redis.call('ZRANGE', KEYS[3], -1, -1, 'WITHSCORES')
if swept[2] then redis.call('PEXPIREAT', KEYS[3], int(tonumber(swept[2]))) end
if except then
  redis.call('ZREM', KEYS[3], ARGV[3])
  enlist(KEYS[1], ARGV[3], except.deadline)
end
return {KEYS[1], 'raised', raised}

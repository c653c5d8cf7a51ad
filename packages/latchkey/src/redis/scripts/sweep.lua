#!lua flags=allow-oom
-- sweep: clears away some sessions that revoke-user has ended.
--
-- KEYS  1 index of what is to be swept, then for each sid: its session string, its record
-- ARGV  the sids, in the order of KEYS
-- REPLY {key, how many of them were still there}

local there = 0
for i = 1, #ARGV do
  there = there + redis.call('UNLINK', KEYS[2 * i])
  redis.call('UNLINK', KEYS[2 * i + 1])
  redis.call('ZREM', KEYS[1], ARGV[i])
end
return {KEYS[1], there}

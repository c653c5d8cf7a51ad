#!lua flags=no-writes
-- peek: one key of a session, while its slot is being moved and no script of several keys can run.
--
-- KEYS  1 the key
-- ARGV  1 'string', 'hash' or 'score'   2 most fields of the hash; member of the score
-- REPLY {key, now}: it is not there
--    or {key, now, value, deadline} of a string, {key, now, score},
--       {key, now, 'hash', field, value, …}
--    or {key, now, 'foreign'} without more: of another type, or with too many fields
-- include: session

local now = clock()
if redis.call('EXISTS', KEYS[1]) == 0 then return {KEYS[1], now} end
if ARGV[1] == 'string' then
  local value = redis.pcall('GET', KEYS[1])
  if type(value) ~= 'string' then return {KEYS[1], now, 'foreign'} end
  return {KEYS[1], now, value, redis.call('PEXPIRETIME', KEYS[1])}
end
if ARGV[1] == 'score' then return {KEYS[1], now, int(generation(KEYS[1], ARGV[2]))} end
local count = redis.pcall('HLEN', KEYS[1])
if type(count) ~= 'number' or count > tonumber(ARGV[2]) then return {KEYS[1], now, 'foreign'} end
return {KEYS[1], now, 'hash', unpack(redis.call('HGETALL', KEYS[1]))}

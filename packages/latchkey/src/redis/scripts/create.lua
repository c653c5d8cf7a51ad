#!lua
-- create: a new session under a free id, with its record and its entry in the user's index.
--
-- KEYS  1 session string   2 record   3 barrier of the slot   4 where it went
--       5 user's index (absent: anonymous)
-- ARGV  1 sid   2 user ('' anonymous)   3 idle timeout in ms (0 none)   4 absolute timeout in ms
--       5 secret hash ('' literal)   6 generation known before the credential was checked (-1 none)
--       7 cap (0 none)   8 'reject' or 'evict-oldest'   9 prefix of session keys   10 device ('')
--       11… name, JSON text of each field
-- REPLY {key, 'created', now, deadline, absolute end, created or 0, {evicted sid…}, {expired sid…}}
--    or {key, 'exists'}, {key, 'stale'} (revoked since), {key, 'limit', {expired sid…}}: no session
--       was changed
--
-- Redis does not roll back. So what could fail on a foreign value (the index) comes first, and the
-- string, which alone makes the session live, comes last.
-- include: session

-- An id that was rotated away is not free either: its token would open the new session.
-- One by one: Redis keeps an argument's memory for the argument at the same place of the next call,
-- and the username that is stored below would take that of a long key: 16 bytes more a session.
for _, key in ipairs({KEYS[1], KEYS[4]}) do
  if redis.call('EXISTS', key) == 1 then return {KEYS[1], 'exists'} end
end
local sid, user, idle, life = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local now = clock()
local absolute = now + life
local deadline = idle > 0 and math.min(now + idle, absolute) or absolute
local revoked = user == '' and 0 or generation(KEYS[3], user)
local known = tonumber(ARGV[6])
if known >= 0 and revoked > known then return {KEYS[1], 'stale'} end

local created, evicted, over = 0, {}, {}
if KEYS[5] then
  local cap = tonumber(ARGV[7])
  -- What has run out makes room: some of it at each login, so that no login pays for all.
  over = redis.call('ZRANGE', KEYS[5], '-inf', int(now), 'BYSCORE', 'LIMIT', 0, 200)
  if over[1] then redis.call('ZREM', KEYS[5], unpack(over)) end
  if cap > 0 and redis.call('ZCOUNT', KEYS[5], int(now + 1), '+inf') >= cap then
    -- The keys of the listed sessions are derived, not declared: which ones they are is known only
    -- now. They are in this slot, as the index is. First what is listed but dead makes room.
    local listed = redis.call('ZRANGE', KEYS[5], int(now + 1), '+inf', 'BYSCORE')
    local alive = {}
    for _, other in ipairs(listed) do
      if redis.pcall('GET', ARGV[9] .. other) == user then
        alive[#alive + 1] = other
      else
        redis.call('ZREM', KEYS[5], other)
      end
    end
    if #alive >= cap and ARGV[8] == 'reject' then return {KEYS[1], 'limit', over} end
    for i = 1, #alive - cap + 1 do
      redis.call('UNLINK', ARGV[9] .. alive[i], '{' .. ARGV[9] .. alive[i] .. '}:record')
      redis.call('ZREM', KEYS[5], alive[i])
      evicted[i] = alive[i]
    end
  end
  enlist(KEYS[5], sid, deadline)
end

redis.call('DEL', KEYS[2])
if ARGV[5] ~= '' or idle > 0 or revoked > 0 or ARGV[10] ~= '' or ARGV[11] then
  created = now
  local fields = {'c', int(now), 'a', int(absolute)}
  local function keep(name, value) fields[#fields + 1] = name; fields[#fields + 1] = value end
  if ARGV[5] ~= '' then keep('s', ARGV[5]) end
  if revoked > 0 then keep('g', int(revoked)) end
  if ARGV[10] ~= '' then keep('d', ARGV[10]) end
  for i = 11, #ARGV, 2 do keep(':' .. ARGV[i], ARGV[i + 1]) end
  redis.call('HSET', KEYS[2], unpack(fields))
  redis.call('PEXPIREAT', KEYS[2], int(deadline))
end

redis.call('SET', KEYS[1], user, 'PXAT', int(deadline))
return {KEYS[1], 'created', now, deadline, absolute, created, evicted, over}

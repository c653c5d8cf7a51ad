#!lua flags=allow-oom
-- list: what is kept of some sessions of one user; entries of dead ones leave the index.
--
-- KEYS  1 user's index   2 barrier of the slot, then for each sid: its session string, its record,
--       where it went
-- ARGV  1 user   2… the sids, in the order of KEYS
-- REPLY {key, now, {row, …}, {sid that a rotated one became, …}, {expired sid, …}}, a row a live
--       session: {sid, deadline, field, value, …} without its data
--
-- Forgetting is safe at any time: ids are never used twice, so what is dead here stays dead.
-- include: session

local now = clock()
local rows, moved, expired = {}, {}, {}
local own = {'s', 'c', 'l', 'a', 'g', 'v', 'd', 't', 'p', 'q'}
for i = 2, #ARGV do
  local session, record, next = KEYS[3 * i - 3], KEYS[3 * i - 2], KEYS[3 * i - 1]
  local found = live(session, record, KEYS[2], now)
  if found and found.user == ARGV[1] then
    local row = {ARGV[i], found.deadline}
    local kept = redis.call('HMGET', record, unpack(own))
    for n, value in ipairs(kept) do
      if value then row[#row + 1] = own[n]; row[#row + 1] = value end
    end
    rows[#rows + 1] = row
  else
    local to = not found and successor(next)
    if to then moved[#moved + 1] = to.sid end
    local deadline = tonumber(redis.call('ZSCORE', KEYS[1], ARGV[i]) or now + 1)
    if deadline <= now then expired[#expired + 1] = ARGV[i] end
    redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
return {KEYS[1], now, rows, moved, expired}

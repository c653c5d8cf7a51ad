#!lua flags=allow-oom
-- list: what is kept of some sessions of one user; entries of dead ones leave the index.
--
-- KEYS  1 user's index   2 barrier of the slot, then for each sid: its session string, its record
-- ARGV  1 user   2… the sids, in the order of KEYS
-- REPLY {now, row, row, …}, a row a live session: {sid, deadline, field, value, …} without its data
--
-- Forgetting is safe at any time: ids are never used twice, so what is dead here stays dead.
-- include: session

local now = clock()
local reply = {now}
local own = {'s', 'c', 'l', 'a', 'g', 'v', 'd'}
for i = 2, #ARGV do
  local session, record = KEYS[2 * i - 1], KEYS[2 * i]
  local found = live(session, record, KEYS[2], now)
  if found and found.user == ARGV[1] then
    local row = {ARGV[i], found.deadline}
    local kept = redis.call('HMGET', record, unpack(own))
    for n, value in ipairs(kept) do
      if value then row[#row + 1] = own[n]; row[#row + 1] = value end
    end
    reply[#reply + 1] = row
  else
    redis.call('ZREM', KEYS[1], ARGV[i])
  end
end
return reply

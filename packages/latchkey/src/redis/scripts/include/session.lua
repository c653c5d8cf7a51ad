-- What every script knows of a session. Stands in each of them in place of "-- include: session".
--
-- The string at the session key is the user, and with its TTL the authority on life. The record
-- beside it is a hash:  s secret hash   c created   l last seen   a absolute end   g generation
-- v version   d device   t last login, if not c   p, q hash of the secret before, end of its grace
-- and ":name" one JSON text for each field of the data. Short names, because Redis keeps them once
-- per session. Instants are epoch ms.
--
-- An id that was rotated into another leaves a note at its `next` key: "end-of-grace sid hash", with
-- the hash of the secret that it had. Without a grace the end is written negative, and so is past
-- whatever the clock: Redis' may be set back, and what is dead must not live again. A script cannot
-- declare the keys of a session it has yet to read of, so scripts do not follow the note: they answer
-- 'moved' and are asked again for the new id.
--
-- A live id has at its `next` key, while the grace of its last rotation runs, the seed of its secret
-- ('-' if it has none): a key of its own, so that it ends with the grace.
--
-- The barrier is a zset user -> generation of the last revoke-all, one for the whole slot. A record
-- holds that of its user at its creation, and is dead if it is higher now: a counter, so it holds even
-- if a failover sets Redis' clock back. A session without record (literal layout) counts as of
-- generation 0: create writes a record as soon as the user has one.

local function int(n) return string.format('%.0f', n) end

local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end

-- The user's generation; 0 if all his sessions were never revoked, or so long ago that none is left.
local function generation(barrier, user)
  local found = redis.pcall('ZSCORE', barrier, user)
  return type(found) == 'string' and tonumber(found) or 0
end

-- The live session as {user, deadline, absolute}; else nil and why: 'missing', or a word on a
-- foreign value.
local function live(session, record, barrier, now)
  local user = redis.pcall('GET', session)
  if not user then return nil, 'missing' end
  if type(user) == 'table' then return nil, 'the session key holds no string' end
  if #user > 256 then return nil, 'the username is too long' end
  local deadline = redis.call('PEXPIRETIME', session)
  if deadline < 0 then return nil, 'the session key has no deadline' end
  local kept = redis.pcall('HMGET', record, 'a', 'g')
  if kept.err then return nil, 'the record key holds no hash' end
  local absolute = tonumber(kept[1] or deadline)
  local born = tonumber(kept[2] or 0)
  if not absolute or not born then return nil, 'an instant of the record is no number' end
  if math.min(deadline, absolute) <= now then return nil, 'missing' end
  if user ~= '' and generation(barrier, user) > born then return nil, 'missing' end
  return {user = user, deadline = deadline, absolute = absolute}
end

-- What a rotated id became, as {sid, ends, hash}; nil if it was not rotated, or long ago.
local function successor(next)
  local text = redis.pcall('GET', next)
  if type(text) ~= 'string' then return nil end
  local ends, sid, hash = string.match(text, '^(%-?%d+) ([%w_-]+) ?([%w_-]*)$')
  return ends and {ends = tonumber(ends), sid = sid, hash = hash}
end

-- The reply of a verb on a session that does not live: while its grace runs, where it went.
local function ended(key, next, now)
  local to = successor(next)
  if to and to.ends > now then return {key, 'moved', to.sid} end
  return {key, 'gone'}
end

-- Lists a session under its user until its deadline; the index ends with the last one in it.
local function enlist(index, sid, deadline)
  redis.call('ZADD', index, int(deadline), sid)
  local last = redis.call('ZRANGE', index, -1, -1, 'WITHSCORES')
  redis.call('PEXPIREAT', index, int(tonumber(last[2])))
end

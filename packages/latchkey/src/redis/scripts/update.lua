#!lua
-- update: writes and removes fields of a live session. Prolongs nothing.
--
-- KEYS  1 session string   2 record   3 barrier of the slot   4 where it went
-- ARGV  1 version that the record must have (-1 any)   2 most fields   3 most bytes
--       4 how many fields to set   5… name, JSON text of each, then the names of those to unset
-- REPLY {key, 'updated', version}, {key, 'unchanged', version} when nothing differed
--    or {key, 'conflict', version}, {key, 'too-large'}, {key, 'moved', sid}, {key, 'gone'}: nothing was
--       changed
-- include: session

local now = clock()
local found = live(KEYS[1], KEYS[2], KEYS[3], now)
if not found then return ended(KEYS[1], KEYS[4], now) end

local data, version = {}, 0
local kept = redis.call('HGETALL', KEYS[2])
for i = 1, #kept, 2 do
  if string.sub(kept[i], 1, 1) == ':' then data[kept[i]] = kept[i + 1] end
  if kept[i] == 'v' then version = tonumber(kept[i + 1]) or 0 end
end
local wanted = tonumber(ARGV[1])
if wanted >= 0 and wanted ~= version then return {KEYS[1], 'conflict', version} end

local set, unset = {}, {}
local last = 4 + 2 * tonumber(ARGV[4])
for i = 5, last, 2 do
  local name, value = ':' .. ARGV[i], ARGV[i + 1]
  if data[name] ~= value then set[#set + 1] = name; set[#set + 1] = value; data[name] = value end
end
for i = last + 1, #ARGV do
  local name = ':' .. ARGV[i]
  if data[name] then unset[#unset + 1] = name; data[name] = nil end
end
if #set == 0 and #unset == 0 then return {KEYS[1], 'unchanged', version} end

local count, bytes = 0, 0
for name, value in pairs(data) do
  count = count + 1
  bytes = bytes + #name - 1 + #value
end
if count > tonumber(ARGV[2]) or bytes > tonumber(ARGV[3]) then return {KEYS[1], 'too-large'} end

if #set > 0 then redis.call('HSET', KEYS[2], unpack(set)) end
if #unset > 0 then redis.call('HDEL', KEYS[2], unpack(unset)) end
redis.call('HSET', KEYS[2], 'v', version + 1)
-- Only a record that was made just now has no end yet; for others this changes nothing.
redis.call('PEXPIREAT', KEYS[2], int(found.deadline))
return {KEYS[1], 'updated', version + 1}

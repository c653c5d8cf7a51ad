/**
 * What the throttle asks of Redis. Each decision is one step that counts the attempt before it is made,
 * as a failure: of a thousand at once, no more get through than one after the other. What turns out well
 * is given back. A count that cannot be written is an error, and an error is no permission: so the
 * scripts that count do not run when Redis is full.
 */
import type { Script } from "latchkey/redis";
import { luaScript } from "../lua-script.ts";

export const RESERVE_IN_NETWORK: Script = luaScript(`#!lua
-- reserve-in-network: counts a request of a network, unless there were too many in this window.
--
-- KEYS  1 bucket: a string, the count; it lives as long as the window
-- ARGV  1 most requests in a window   2 window in ms
-- REPLY {key, 'admitted'} or {key, 'throttled', ms until the window ends}

local count = redis.call('GET', KEYS[1]) or '0'
if not string.match(count, '^%d+$') then return redis.error_reply('ERR the bucket is no number') end
local left = redis.call('PTTL', KEYS[1])
if left <= 0 then left = tonumber(ARGV[2]) end
if tonumber(count) >= tonumber(ARGV[1]) then
  redis.call('PEXPIRE', KEYS[1], left)
  return {KEYS[1], 'throttled', left}
end
redis.call('SET', KEYS[1], tonumber(count) + 1, 'PX', left)
return {KEYS[1], 'admitted'}
`);

export const GIVE_BACK_TO_NETWORK: Script = luaScript(`#!lua flags=allow-oom
-- give-back-to-network: the request that was counted was no failure.
--
-- KEYS  1 bucket   ARGV none
-- REPLY {key}
--
-- In the next window, where it was not counted, it would be a gift; that is one attempt, and rare.

local count = tonumber(redis.call('GET', KEYS[1]) or 0)
if count and count > 0 then redis.call('SET', KEYS[1], count - 1, 'KEEPTTL') end
return {KEYS[1]}
`);

export const RESERVE_IN_ACCOUNT: Script = luaScript(`#!lua
-- reserve-in-account: counts an attempt at an account, unless it comes too early after the others.
--
-- KEYS  1 bucket: a string, "failures in a row, and until when (epoch ms) the next one is too early"
-- ARGV  1 free failures   2 first delay in ms   3 longest delay in ms   4 failures to stop at
--       5 how long failures are remembered, in ms
-- REPLY {key, 'admitted'} or {key, 'throttled', ms to wait}

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local kept = redis.call('GET', KEYS[1]) or '0 0'
local failures, early = string.match(kept, '^(%d+) (%d+)$')
if not failures then return redis.error_reply('ERR the bucket holds something foreign') end
failures, early = tonumber(failures), tonumber(early)
if redis.call('PTTL', KEYS[1]) == -1 then redis.call('PEXPIRE', KEYS[1], ARGV[5]) end
if failures >= tonumber(ARGV[4]) then
  return {KEYS[1], 'throttled', redis.call('PTTL', KEYS[1])}
end
if early > now then return {KEYS[1], 'throttled', early - now} end

failures = failures + 1
local delay = 0
if failures >= tonumber(ARGV[1]) then
  delay = math.min(tonumber(ARGV[2]) * 2 ^ (failures - tonumber(ARGV[1])), tonumber(ARGV[3]))
end
redis.call('SET', KEYS[1], string.format('%.0f %.0f', failures, now + delay), 'PX', ARGV[5])
return {KEYS[1], 'admitted'}
`);

export const GIVE_BACK_TO_ACCOUNT: Script = luaScript(`#!lua flags=allow-oom
-- give-back-to-account: the attempt that was counted was never judged.
--
-- KEYS  1 bucket   ARGV none
-- REPLY {key}
--
-- Its delay stays: a moment to wait harms nobody, and whose delay it is cannot be told any more.

local kept = redis.call('GET', KEYS[1]) or ''
local failures, early = string.match(kept, '^(%d+) (%d+)$')
if failures and tonumber(failures) > 0 then
  redis.call('SET', KEYS[1], string.format('%.0f %s', failures - 1, early), 'KEEPTTL')
end
return {KEYS[1]}
`);

export const CLEAR_ACCOUNT: Script = luaScript(`#!lua flags=allow-oom
-- clear-account: whoever it is knows the password; what failed before counts no more.
--
-- KEYS  1 bucket   ARGV none
-- REPLY {key}

redis.call('DEL', KEYS[1])
return {KEYS[1]}
`);

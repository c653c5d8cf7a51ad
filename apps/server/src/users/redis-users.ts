/**
 * Local users in Redis, for small installations; turn on its AOF, for there is no other copy. A user is
 * a hash at `{user:<name>}:account`, for ever:
 *
 *     name, password (see password-hasher.ts; absent: none), created and passwordChanged (epoch ms by
 *     Redis' clock), disabled ("1", or absent)
 */
import type { Script } from "latchkey/redis";
import { luaScript, type ScriptRunner, unexpected } from "../lua-script.ts";
import type { ServerKeys } from "../server-keys.ts";
import type { Account, UserDirectory } from "./user-directory.ts";
import type { Username } from "./username.ts";

/** @param keys of the same prefix as the sessions, so that a user's keys are in one slot */
export function redisUsers(driver: ScriptRunner, keys: ServerKeys): UserDirectory {
  const run = (script: Script, username: Username, ...args: string[]) =>
    driver.script(script, [keys.account(username)], args);
  /** Runs a script whose reply is one of these words. */
  const ask = async <Word extends string>(
    words: readonly Word[],
    script: Script,
    username: Username,
    ...args: string[]
  ): Promise<Word> => {
    const reply = await run(script, username, ...args);
    return words.find((word) => word === reply[0]) ?? fail(reply);
  };
  return {
    find: async (username) => parseAccount(await run(FIND, username)),
    async register(username, hash) {
      const outcome = await ask(["registered", "taken"], REGISTER, username, username, hash);
      // After the user: before, a crash in between would close the door before anyone is inside.
      if (outcome === "registered") await driver.script(NOTE_USERS, [keys.usersExist], []);
      return outcome;
    },
    replacePassword: (username, { from, to, why }) =>
      ask(["replaced", "changed", "absent"], REPLACE_PASSWORD, username, from ?? "", to, why),
    disable: (username) => ask(["done", "absent"], DISABLE, username),
    enable: (username) => ask(["done", "absent"], ENABLE, username),
    delete: (username) => ask(["done", "absent"], DELETE, username),
    async isNew() {
      const [exists] = await driver.script(LOOK_FOR_USERS, [keys.usersExist], []);
      return exists === 0;
    },
  };
}

function parseAccount(reply: readonly unknown[]): Account | undefined {
  const [word, password, disabled] = reply;
  if (word === "absent") return undefined;
  if (word !== "found" || typeof password !== "string") return fail(reply);
  return { passwordHash: password === "" ? undefined : password, isDisabled: disabled === "1" };
}

function fail(reply: readonly unknown[]): never {
  throw unexpected(reply);
}

const NOW = `
local function now()
  local time = redis.call('TIME')
  return string.format('%.0f', time[1] * 1000 + math.floor(time[2] / 1000))
end
`;

const FIND = luaScript(`#!lua flags=no-writes
-- find: what decides whether a user may log in.
--
-- KEYS  1 account   ARGV none
-- REPLY {key, 'found', password hash or '', disabled: '1' or ''} or {key, 'absent'}

local kept = redis.call('HMGET', KEYS[1], 'name', 'password', 'disabled')
if not kept[1] then return {KEYS[1], 'absent'} end
return {KEYS[1], 'found', kept[2] or '', kept[3] or ''}
`);

const REGISTER = luaScript(`#!lua
-- register: a new user, if the name is free.
--
-- KEYS  1 account   ARGV  1 name   2 password hash
-- REPLY {key, 'registered'} or {key, 'taken'}
${NOW}
if redis.call('EXISTS', KEYS[1]) == 1 then return {KEYS[1], 'taken'} end
redis.call('HSET', KEYS[1], 'name', ARGV[1], 'password', ARGV[2], 'created', now(),
  'passwordChanged', now())
return {KEYS[1], 'registered'}
`);

const REPLACE_PASSWORD = luaScript(`#!lua
-- replace-password: a new hash in place of the one that was read.
--
-- KEYS  1 account   ARGV  1 hash that was read ('' none)   2 new hash
--       3 'new-password' or 'rehash'
-- REPLY {key, 'replaced'}, {key, 'changed'} or {key, 'absent'}
${NOW}
local kept = redis.call('HMGET', KEYS[1], 'name', 'password')
if not kept[1] then return {KEYS[1], 'absent'} end
if (kept[2] or '') ~= ARGV[1] then return {KEYS[1], 'changed'} end
redis.call('HSET', KEYS[1], 'password', ARGV[2])
if ARGV[3] == 'new-password' then redis.call('HSET', KEYS[1], 'passwordChanged', now()) end
return {KEYS[1], 'replaced'}
`);

const DISABLE = luaScript(`#!lua flags=allow-oom
-- disable: from now on no login of this user succeeds. Also when Redis is full.
--
-- KEYS  1 account   ARGV none
-- REPLY {key, 'done'} or {key, 'absent'}

if redis.call('EXISTS', KEYS[1]) == 0 then return {KEYS[1], 'absent'} end
redis.call('HSET', KEYS[1], 'disabled', '1')
return {KEYS[1], 'done'}
`);

const ENABLE = luaScript(`#!lua flags=allow-oom
-- enable: takes a disable back.
--
-- KEYS  1 account   ARGV none
-- REPLY {key, 'done'} or {key, 'absent'}

if redis.call('EXISTS', KEYS[1]) == 0 then return {KEYS[1], 'absent'} end
redis.call('HDEL', KEYS[1], 'disabled')
return {KEYS[1], 'done'}
`);

const DELETE = luaScript(`#!lua flags=allow-oom
-- delete: nothing is left of the account. Also when Redis is full.
--
-- KEYS  1 account   ARGV none
-- REPLY {key, 'done'} or {key, 'absent'}

return {KEYS[1], redis.call('DEL', KEYS[1]) == 1 and 'done' or 'absent'}
`);

const NOTE_USERS = luaScript(`#!lua
-- note-users: from now on nobody is the first user.
--
-- KEYS  1 mark   ARGV none
-- REPLY {key}

redis.call('SET', KEYS[1], '1')
return {KEYS[1]}
`);

const LOOK_FOR_USERS = luaScript(`#!lua flags=no-writes
-- look-for-users: whether anybody was ever registered.
--
-- KEYS  1 mark   ARGV none
-- REPLY {key, 0 or 1}

return {KEYS[1], redis.call('EXISTS', KEYS[1])}
`);

/** Users, passwords and throttles as the production profile has them, on a Redis of the test's own. */
import { createSessions } from "latchkey";
import { connect, redisStore } from "latchkey/redis";
import { type ServerKeys, serverKeys } from "../../apps/server/src/server-keys.ts";
import { DeviceMarks } from "../../apps/server/src/throttle/device-mark.ts";
import { type Network, networkOf } from "../../apps/server/src/throttle/network.ts";
import { Throttle, type ThrottleOptions } from "../../apps/server/src/throttle/throttle.ts";
import { Accounts } from "../../apps/server/src/users/accounts.ts";
import { Enrolment } from "../../apps/server/src/users/enrolment.ts";
import { type LoginRequest, PasswordLogin } from "../../apps/server/src/users/login.ts";
import { type Password, parsePassword } from "../../apps/server/src/users/password.ts";
import {
  PasswordHasher,
  type PasswordHasherOptions,
} from "../../apps/server/src/users/password-hasher.ts";
import { passwordPolicy } from "../../apps/server/src/users/password-policy.ts";
import { redisUsers } from "../../apps/server/src/users/redis-users.ts";
import type { UserDirectory } from "../../apps/server/src/users/user-directory.ts";
import { parseUsername, type Username } from "../../apps/server/src/users/username.ts";
import type { Resp } from "./resp.ts";
import { exchange } from "./sessions.ts";
import { freshPrefix } from "./stores.ts";

/** What is tested is what is answered, on however busy a machine. */
const PATIENT_MS = 30_000;

export const GOOD = passwordOf("vogel mondlicht zahnrad");
export const BETTER = passwordOf("kessel otter violine tau");
export const BAD = passwordOf("nicht das richtige wort");
export const HERE = networkAt("192.0.2.1");
export const THERE = networkAt("198.51.100.1");

export interface UsersWishes {
  readonly hasher?: PasswordHasherOptions;
  readonly throttle?: Partial<Pick<ThrottleOptions, "account" | "networks">>;
  /** Puts something between the parts and the directory. */
  readonly around?: (directory: UserDirectory) => UserDirectory;
  /** In milliseconds; default: longer than any test waits. */
  readonly callTimeoutMs?: number;
  /** Default: one of its own. A second server on the same data takes that of the first. */
  readonly prefix?: string;
}

/** One server's worth of parts. To be closed at the end. */
export async function openUsers(url: string, wishes: UsersWishes = {}) {
  const prefix = wishes.prefix ?? freshPrefix();
  const { callTimeoutMs = PATIENT_MS } = wishes;
  const driver = await connect(url, { callTimeoutMs });
  const store = await redisStore({ driver, prefix });
  const sessions = createSessions({ store });
  const keys = serverKeys(prefix);
  const local = redisUsers(driver, keys);
  const directory = wishes.around?.(local) ?? local;
  // As cheap as argon2 goes: its cost is tested in passwords.test.ts.
  const hasher = new PasswordHasher({ memoryKib: 8, passes: 1, ...wishes.hasher });
  const throttle = new Throttle({ driver, keys, key: Buffer.alloc(32, "t"), ...wishes.throttle });
  const marks = new DeviceMarks({ keys: [Buffer.alloc(32, "m")] });
  const policy = passwordPolicy();
  const login = new PasswordLogin({ directory, hasher, throttle, marks, sessions });
  const accounts = new Accounts({ directory, hasher, policy, throttle, login, sessions });
  const enrolment = new Enrolment({ driver, keys, directory, hasher, policy, throttle });
  return {
    ...{ prefix, driver, store, sessions, keys, directory, hasher, throttle, marks, login },
    ...{ accounts, enrolment },
    attempt: (wish: Partial<LoginRequest> = {}) =>
      login.authenticate({
        username: nameOf("ada"),
        password: BAD,
        network: HERE,
        deviceMark: undefined,
        ...wish,
      }),
    /** A session of this user, as a login that read this generation makes it. */
    begin: async (user: string, generation?: number) =>
      (await sessions.open(exchange({}))).login(user, {
        transport: "header",
        ...(generation === undefined ? {} : { generation }),
      }),
    register: (user: string, password = GOOD, network = HERE) =>
      accounts.register({ username: nameOf(user), password, network }),
    close: async () => {
      await store.close();
      await driver.close();
    },
  };
}

export type Users = Awaited<ReturnType<typeof openUsers>>;

export async function isValid({ sessions }: Users, token: string): Promise<boolean> {
  const session = await sessions.open(exchange({ "x-session-id": token }));
  return session.status === "valid";
}

export function nameOf(text: string): Username {
  const parsed = parseUsername(text);
  if (parsed.username === undefined) throw new Error(parsed.error.message);
  return parsed.username;
}

export function passwordOf(text: string): Password {
  const parsed = parsePassword(text);
  if (parsed.password === undefined) throw new Error(parsed.error.message);
  return parsed.password;
}

export function networkAt(address: string): Network {
  const network = networkOf(address);
  if (network === undefined) throw new Error(`no address: ${address}`);
  return network;
}

/** Keys of throttles under a prefix, as Redis has them. */
export async function bucketsOf(resp: Resp, keys: ServerKeys): Promise<string[]> {
  const patterns = [keys.accountBucket("*"), keys.networkBucket("*")];
  const found = await Promise.all(patterns.map((pattern) => resp.command("KEYS", pattern)));
  return found.flatMap((reply) => (Array.isArray(reply) ? reply.map(String) : []));
}

/** Makes `ms` pass for the throttles: moves what their buckets hold, and then their own deadlines. */
export async function elapse(resp: Resp, keys: ServerKeys, ms: number): Promise<void> {
  for (const key of await bucketsOf(resp, keys)) {
    const [count = "", early] = String(await resp.command("GET", key)).split(" ");
    if (early !== undefined) {
      await resp.command("SET", key, `${count} ${Math.max(0, Number(early) - ms)}`, "KEEPTTL");
    }
    const deadline = Number(await resp.command("PEXPIRETIME", key));
    await resp.command("PEXPIREAT", key, String(deadline - ms));
  }
}

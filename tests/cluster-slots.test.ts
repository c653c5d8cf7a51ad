/** Every key of one user in one hash slot: asked of a real Cluster, not of our own arithmetic. */
import { parseSessionId } from "latchkey";
import { redisStore } from "latchkey/redis";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startCluster, type TestCluster } from "./support/redis-cluster.ts";
import { connectResp, type Resp } from "./support/resp.ts";
import { HASH, newSession } from "./support/stores.ts";

const LOGINS = 10_000;
const USERS = 100;
const FREE_POSITIONS = 21;
const ALPHABET = 64;

let cluster: TestCluster;
let nodes: Resp[];

beforeAll(async () => {
  cluster = await startCluster();
  nodes = await Promise.all(cluster.nodes.map(({ port }) => connectResp(port)));
});

afterAll(async () => {
  for (const node of nodes ?? []) node.close();
  await cluster?.stop();
});

test("10,000 logins of 100 users: session, record and index agree, ids are uniform", async () => {
  const store = await redisStore({ url: cluster.url, callTimeout: "30s" });
  const users = Array.from({ length: USERS }, (_, i) => userName(i));
  const sids: string[] = [];
  for (let i = 0; i < LOGINS / USERS; i++) {
    const logins = users.map(async (user) => {
      const sid = store.mintId(user);
      const created = await store.create(newSession(sid, { user, secretHash: HASH }));
      expect(created.outcome).toBe("created");
      return sid;
    });
    sids.push(...(await Promise.all(logins)));
  }
  expect(new Set(sids).size).toBe(LOGINS);
  for (const sid of sids) expect(parseSessionId(sid)).toBe(sid);

  const misplaced: string[] = [];
  for (const [i, sid] of sids.entries()) {
    const user = users[i % USERS] ?? "";
    const slots = await keySlots(sid, user);
    if (new Set(slots).size !== 1) misplaced.push(sid);
  }
  expect(misplaced).toEqual([]);
  // The index keys that were asked about are the ones that are there.
  for (const user of users) expect((await store.list(user)).records).toHaveLength(LOGINS / USERS);
  await store.close();

  expectUniform(sids);
});

/** Pearson's χ² with 63 degrees of freedom; 156 is exceeded once in 1,000,000,000 fair draws. */
function expectUniform(sids: readonly string[]): void {
  const limit = 156;
  for (let position = 0; position < FREE_POSITIONS; position++) {
    const counts = new Map<string, number>();
    for (const sid of sids) {
      const char = sid.charAt(position);
      counts.set(char, (counts.get(char) ?? 0) + 1);
    }
    const fair = sids.length / ALPHABET;
    const off = [...counts.values()].reduce((sum, count) => sum + (count - fair) ** 2 / fair, 0);
    const missing = (ALPHABET - counts.size) * fair;
    expect(off + missing, `position ${position}`).toBeLessThan(limit);
  }
}

/** Redis' own word on the slots of the three keys. */
async function keySlots(sid: string, user: string): Promise<unknown[]> {
  const [node] = nodes;
  if (node === undefined) throw new Error("no node");
  const index = `{user:${encodeURIComponent(user)}}:sessions`;
  const keys = [`session:${sid}`, `{session:${sid}}:record`, index];
  return Promise.all(keys.map((key) => node.command("CLUSTER", "KEYSLOT", key)));
}

function userName(i: number): string {
  const kinds = ["ada", "ada lovelace", "a:b", "{a}", "}a{", "100%", "🔑", "名前", "*", "'\"\\"];
  return `${kinds[i % kinds.length]}${i}`;
}

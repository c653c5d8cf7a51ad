/**
 * The check alone, in one process: a token comes in as a string that nobody has seen before, out comes
 * the user. Nothing here is HTTP, and nothing is asked of Redis while it is measured.
 */
import { memoryStore } from "latchkey/memory";
import { nearCache } from "latchkey/near-cache";
import { redisStore } from "latchkey/redis";
import { signToken, VERIFIERS } from "../http/tokens.js";
import { answerParent } from "../lib/child.js";
import { exchangeOf, logIn, sessionsOn } from "../lib/logins.js";
import { inParallel, randomOf } from "../lib/stats.js";

/** More are begun in a store in memory, or filling took most of the run; Redis tells changes still. */
const MOST_IN_REDIS = 100_000;
/** So many at a time: a store in memory looks through all that it has at each login. */
const PORTION = 250;
const COOKIE = "sid=";
/** So many logins at once while filling. */
const WIDTH_OF_FILLING = 64;
const random = randomOf(4_711);
const state = {};

/** The texts in one piece of memory outside the heap, as they come from a socket. */
class Texts {
  #bytes;
  #width;
  #lengths;

  constructor(count, width) {
    this.#bytes = Buffer.alloc(count * width);
    this.#width = width;
    this.#lengths = new Uint16Array(count);
  }

  set(i, text) {
    if (text.length > this.#width) throw new Error(`longer than ${this.#width}: ${text}`);
    this.#lengths[i] = this.#bytes.latin1Write(text, i * this.#width);
  }

  /** A new string each time, which nobody has hashed or flattened: what a parser of HTTP gives. */
  fresh(i) {
    const start = i * this.#width;
    return this.#bytes.latin1Slice(start, start + this.#lengths[i]);
  }
}

async function fill({ redisUrl, count }) {
  const inRedis = await redisStore({ url: redisUrl });
  const isMany = count > MOST_IN_REDIS;
  const behind = isMany ? memoryStore() : inRedis;
  const store = nearCache(behind, { maxEntries: count + 1, feed: inRedis.feed() });
  const sessions = sessionsOn(store);
  const [tokens, cookies, jwts] = [64, 72, 256].map((width) => new Texts(count, width));
  const begin = async (i) => {
    const token = await logIn(sessions, `u${i}`);
    tokens.set(i, token);
    cookies.set(i, COOKIE + token);
    jwts.set(i, signToken(`u${i}`));
  };
  const remembered = (first, last) => remember(sessions, store, tokens, first, last);
  let heapPerEntry;
  if (isMany) {
    for (let first = 0; first < count; first += PORTION) {
      const last = Math.min(first + PORTION, count);
      await inParallel(last - first, 1, (i) => begin(first + i));
      await remembered(first, last);
      await endAll(behind, tokens, first, last);
    }
  } else {
    await inParallel(count, WIDTH_OF_FILLING, begin);
    const heapBefore = await heapUsed();
    await remembered(0, count);
    heapPerEntry = ((await heapUsed()) - heapBefore) / count;
  }
  const contestants = contestantsOf({ sessions, store, tokens, cookies, jwts });
  Object.assign(state, { count, contestants, stats: () => store.stats() });
  return { entries: store.stats().entries, heapPerEntry };
}

/** Kept in memory once and not twice: the cache does not hear of these ends. */
async function endAll(behind, tokens, first, last) {
  for (let i = first; i < last; i++) {
    const token = tokens.fresh(i);
    await behind.revoke(token.slice(0, token.indexOf(".")));
  }
}

/** A weak reference holds what it leads to until the event loop turns; the second round finds it. */
async function heapUsed() {
  for (let round = 0; round < 2; round++) {
    await new Promise(setImmediate);
    globalThis.gc();
  }
  return process.memoryUsage().heapUsed;
}

/**
 * The first check of a session asks Redis, and is remembered; unless the news of its login came
 * later than the answer. Hence several times round.
 */
async function remember(sessions, store, tokens, first, last) {
  for (let round = 0; round < 10 && store.stats().entries < last; round++) {
    // A store in memory never lets the event loop turn, and then Redis is not heard.
    await new Promise(setImmediate);
    await inParallel(last - first, WIDTH_OF_FILLING, async (i) => {
      const token = tokens.fresh(first + i);
      if (store.recall(token) === undefined) await sessions.check(token);
    });
  }
}

function contestantsOf({ sessions, store, tokens, cookies, jwts }) {
  const contestants = new Map([
    ["string of a token, no check", (i) => tokens.fresh(i)],
    ["string of a JWT, no check", (i) => jwts.fresh(i)],
    ["near.recall", (i) => store.recall(tokens.fresh(i)).user],
    ["sessions.check", async (i) => (await sessions.check(tokens.fresh(i))).record.user],
    ["sessions.open", async (i) => (await sessions.open(exchangeOf([cookies.fresh(i)]))).user],
  ]);
  for (const [name, makeVerifier] of Object.entries(VERIFIERS)) {
    const verify = makeVerifier();
    contestants.set(name, (i) => verify(jwts.fresh(i)));
  }
  return contestants;
}

/** Runs for at least so many ms and gives ns per operation, wall and CPU. */
async function measure(name, ms) {
  const { count, contestants } = state;
  const one = contestants.get(name);
  const isAsync = one(0) instanceof Promise;
  const end = performance.now() + ms;
  const [began, cpuBefore] = [process.hrtime.bigint(), process.cpuUsage()];
  let done = 0;
  for (let batch = 16; performance.now() < end; done += batch, batch = Math.min(batch * 2, 1_024)) {
    const last = isAsync ? await loopAwaited(one, batch, count) : loop(one, batch, count);
    if (typeof last !== "string") throw new Error(`${name} did not let it in`);
    // The near cache answers only while it hears of Redis, and that takes a turn of the event loop.
    await new Promise(setImmediate);
  }
  const nanos = Number(process.hrtime.bigint() - began);
  const { user, system } = process.cpuUsage(cpuBefore);
  return { nanos: nanos / done, cpuNanos: ((user + system) * 1e3) / done, done };
}

function loop(one, batch, count) {
  let last;
  for (let i = 0; i < batch; i++) last = one(random(count));
  return last;
}

async function loopAwaited(one, batch, count) {
  let last;
  for (let i = 0; i < batch; i++) last = await one(random(count));
  return last;
}

answerParent({
  fill,
  names: () => [...state.contestants.keys()],
  measure,
  stats: () => state.stats(),
});

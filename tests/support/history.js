/**
 * Clients that do what they are told and write down when they asked and what they heard. Plain
 * JavaScript, for a worker that node itself starts as well as for the test runner.
 */

/**
 * @typedef {import("../model/history.ts").Shared} Shared
 * @typedef {import("../model/history.ts").Wish} Wish
 * @typedef {import("../model/history.ts").Input} Input
 * @typedef {import("../model/history.ts").Told} Told
 * @typedef {import("latchkey").SessionStore} SessionStore
 * @typedef {import("latchkey").SessionId} SessionId
 */

const LIFE = { idleTimeoutMs: 3_600_000, absoluteTimeoutMs: 7_200_000 };
/** Longer than any history. */
const GRACE_MS = 3_600_000;

/**
 * All clients at once, each its wishes one after the other.
 *
 * @param {readonly SessionStore[]} stores
 * @param {readonly Shared[]} sessions
 * @param {readonly (readonly Wish[])[]} wishes
 * @returns {Promise<Told[]>}
 */
export async function play(stores, sessions, wishes) {
  /** @type {Told[]} */
  const told = [];
  await Promise.all(
    wishes.map(async (own) => {
      const seen = sessions.map(({ sid, secretHash }) => ({ sid, secretHash, version: 0 }));
      for (const wish of own) {
        const store = stores[wish.store];
        const shared = sessions[wish.session];
        const known = seen[wish.session];
        if (!store || !shared || !known) throw new Error("no such store or session");
        for (let turns = wish.turns; turns > 0; turns--) await new Promise(setImmediate);
        const input = inputOf(wish, shared, known, store);
        const calledAt = now();
        const answer = await ask(store, shared, wish, input).catch(() => null);
        const returnedAt = now();
        told.push({ session: wish.session, input, answer, calledAt, returnedAt });
        learn(known, input, answer);
      }
    }),
  );
  return told;
}

/**
 * @param {Wish} wish @param {Shared} shared @param {SessionStore} store
 * @param {{ sid: SessionId, secretHash: string | null, version: number }} known
 * @returns {Input}
 */
function inputOf({ verb, name, field, isCareful, isLate, hasGrace }, shared, known, store) {
  if (verb === "update") {
    return { verb, field, text: `"${name}"`, ifVersion: isCareful ? known.version : null };
  }
  if (verb !== "rotate") return { verb };
  const { sid, secretHash } = isLate ? shared : known;
  const hasSecret = secretHash !== null;
  const next = {
    sid: hasSecret ? sid : store.mintId(shared.user, sid),
    secretHash: hasSecret ? name.padStart(43, "h") : null,
  };
  // A literal id without grace would make a late client's next call one on a dead id.
  return { verb, sid, secretHash, next, seed: name, hasGrace: hasGrace || !hasSecret };
}

/**
 * @param {SessionStore} store @param {Shared} shared @param {Wish} wish @param {Input} input
 * @returns {Promise<string>}
 */
async function ask(store, { sid, user, secretHash }, wish, input) {
  switch (input.verb) {
    case "create": {
      const nothing = { cap: undefined, generation: undefined, device: undefined };
      const own = { sid, user, secretHash: secretHash ?? undefined, life: LIFE, data: new Map() };
      return (await store.create({ ...own, ...nothing })).outcome;
    }
    case "load": {
      const loaded = await store.load(sid);
      if (loaded.outcome !== "found") return loaded.outcome;
      const { version, data, sid: now, secretHash: hash = null } = loaded.record;
      const fields = [...data].map(([name, text]) => `${name}=${text}`);
      return `found ${version} {${fields.sort().join()}} ${now} ${hash}`;
    }
    case "update": {
      const set = new Map([[input.field, input.text]]);
      const change = { set, unset: new Set(), ifVersion: input.ifVersion ?? undefined };
      const updated = await store.update(sid, change);
      return "version" in updated ? `${updated.outcome} ${updated.version}` : updated.outcome;
    }
    case "touch":
      return (await store.touch({ sid, user }, LIFE, 0)).outcome;
    case "rotate": {
      const next = {
        ...{ sid: /** @type {SessionId} */ (input.next.sid), seed: input.seed },
        secretHash: input.next.secretHash ?? undefined,
      };
      const rotated = await store.rotate({
        ...{ sid: /** @type {SessionId} */ (input.sid), user, next, login: undefined },
        secretHash: input.secretHash ?? undefined,
        graceMs: input.hasGrace ? GRACE_MS : 0,
      });
      if (rotated.outcome !== "repeated") return rotated.outcome;
      return `repeated ${rotated.sid} ${rotated.seed ?? ""}`;
    }
    case "revoke":
      return store.revoke(sid, wish.isCareful ? user : undefined);
  }
}

/**
 * What a client knows from its own answers.
 *
 * @param {{ sid: SessionId, secretHash: string | null, version: number }} known
 * @param {Input} input @param {string | null} answer
 */
function learn(known, input, answer) {
  const [outcome, version] = (answer ?? "").split(" ");
  if (outcome === "found" || outcome === "updated" || outcome === "conflict") {
    known.version = Number(version);
  }
  if (input.verb !== "rotate" || outcome !== "rotated") return;
  known.sid = /** @type {SessionId} */ (input.next.sid);
  known.secretHash = input.next.secretHash;
}

/** @returns {number} microseconds */
function now() {
  return Number(process.hrtime.bigint()) / 1_000;
}

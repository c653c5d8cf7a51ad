/** The life of one shared session as a sequence of calls, and what a right store answers to each. */
import type { SessionId } from "latchkey";
import type { Specification } from "../support/linearizability.ts";
import type { Dice } from "../support/rounds.ts";

/** A session that several clients work on. */
export interface Shared {
  readonly sid: SessionId;
  readonly user: string;
  /** Null: the id is the token. */
  readonly secretHash: string | null;
}

export type Verb = "create" | "load" | "update" | "touch" | "rotate" | "revoke";

/** What a client is to do next. */
export interface Wish {
  /** Which of the shared sessions. */
  readonly session: number;
  readonly verb: Verb;
  /** Unlike that of any other wish. */
  readonly name: string;
  readonly field: string;
  /** Update only what nobody has changed since this client saw it. */
  readonly isCareful: boolean;
  /** By the first token, not by the latest that this client knows. */
  readonly isLate: boolean;
  readonly hasGrace: boolean;
  readonly store: number;
  /** Turns of the event loop to wait before. */
  readonly turns: number;
}

export type Input =
  | { readonly verb: "create" | "load" | "touch" | "revoke" }
  | {
      readonly verb: "update";
      readonly field: string;
      readonly text: string;
      readonly ifVersion: number | null;
    }
  | {
      readonly verb: "rotate";
      readonly sid: string;
      readonly secretHash: string | null;
      readonly next: { readonly sid: string; readonly secretHash: string | null };
      readonly seed: string;
      readonly hasGrace: boolean;
    };

/** What a client did. */
export interface Told {
  readonly session: number;
  readonly input: Input;
  /** Null: the store could not say. */
  readonly answer: string | null;
  /** Microseconds of a clock that all processes of the machine share. */
  readonly calledAt: number;
  readonly returnedAt: number;
}

export interface Chances {
  readonly verbs: readonly Verb[];
  readonly sessions: number;
  readonly stores: number;
}

/** One list of wishes per client; somebody creates each session, sooner or later. */
export function plan(
  dice: Dice,
  clients: number,
  wishes: number,
  { verbs, sessions, stores }: Chances,
): Wish[][] {
  const perClient = Array.from({ length: clients }, (): Wish[] => []);
  for (let i = 0; i < wishes; i++) {
    // Everybody's first, in turn: most of a history is about a session that is there.
    const isFirst = i < sessions;
    perClient[i % clients]?.push({
      ...{ session: isFirst ? i : dice.below(sessions), name: `n${i}` },
      verb: isFirst ? "create" : dice.pick(verbs),
      ...{ field: dice.pick(["a", "b"]), isCareful: dice.below(3) === 0 },
      ...{ isLate: dice.below(3) === 0, hasGrace: dice.below(3) > 0 },
      // A create is not for the store in a hurry: a session that nobody made proves little.
      store: isFirst || dice.below(8) > 0 ? 0 : dice.below(stores),
      turns: dice.below(isFirst ? 2 : 6),
    });
  }
  return perClient;
}

interface State {
  readonly life: "unborn" | "live" | "dead";
  readonly version: number;
  readonly data: Readonly<Record<string, string>>;
  /** The ids that it has had, the one of now last. */
  readonly sids: readonly string[];
  readonly secretHash: string | null;
  readonly previous: {
    readonly secretHash: string;
    readonly seed: string;
    hasGrace: boolean;
  } | null;
}

/** A grace lasts longer than the history. */
export function specification({ sid, secretHash }: Shared): Specification<Input, State> {
  return {
    initial: {
      ...{ life: "unborn", version: 0, data: {}, sids: [sid], secretHash, previous: null },
    },
    step(state, input) {
      const isLive = state.life === "live";
      const stays = (...answers: string[]) => ({ state, answers });
      switch (input.verb) {
        case "create":
          // Nobody creates it twice: an id is minted for one session.
          return { state: { ...state, life: "live" }, answers: ["created"] };
        case "load":
          return stays(isLive ? shown(state) : "missing");
        case "touch":
          return stays(isLive ? "live" : "gone");
        case "revoke":
          return isLive
            ? { state: { ...state, life: "dead" }, answers: ["revoked"] }
            : stays("absent");
        case "update": {
          const { version } = state;
          if (!isLive) return stays("gone");
          if (input.ifVersion !== null && input.ifVersion !== version) {
            return stays(`conflict ${version}`);
          }
          const data = { ...state.data, [input.field]: input.text };
          const next = { ...state, data, version: version + 1 };
          return { state: next, answers: [`updated ${next.version}`] };
        }
        case "rotate":
          return input.secretHash === null ? renamed(state, input) : renewed(state, input);
      }
    },
  };
}

type Rotate = Extract<Input, { verb: "rotate" }>;

/** Where the id is the token. */
function renamed(state: State, { sid, next }: Rotate) {
  const at = state.sids.indexOf(sid);
  const became = state.sids[at + 1];
  if (state.life !== "live" || at === -1) return { state, answers: ["gone"] };
  if (became !== undefined) return { state, answers: [`repeated ${became} `] };
  // The grace of these runs is longer than they are: a new id is younger than its own.
  if (at > 0) return { state, answers: ["kept"] };
  return { state: { ...state, sids: [...state.sids, next.sid] }, answers: ["rotated"] };
}

/** Where the token has a secret. */
function renewed(state: State, { secretHash: presented, next, seed, hasGrace }: Rotate) {
  const { previous, secretHash } = state;
  const isNewest = presented === secretHash;
  const isLate = previous?.hasGrace === true && previous.secretHash === presented;
  if (state.life !== "live" || !(isNewest || isLate)) return { state, answers: ["gone"] };
  if (hasGrace && !isNewest) {
    return { state, answers: [`repeated ${state.sids[0]} ${previous?.seed}`] };
  }
  if (hasGrace && previous?.hasGrace) return { state, answers: ["kept"] };
  const old = { secretHash: presented ?? "", seed, hasGrace };
  return {
    state: { ...state, secretHash: next.secretHash, previous: old },
    answers: ["rotated"],
  };
}

function shown({ version, data, sids, secretHash }: State): string {
  const fields = Object.entries(data).map(([name, text]) => `${name}=${text}`);
  return `found ${version} {${fields.sort().join()}} ${sids.at(-1)} ${secretHash}`;
}

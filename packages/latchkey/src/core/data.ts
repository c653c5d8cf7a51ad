/**
 * The data of one session while a request works with it: read and changed like a plain object,
 * written as the fields that differ from what was loaded. Every value is plain JSON, and one that is
 * not is refused where it is assigned, with its path: what cannot come back must not seem to be kept.
 */
import { SessionError } from "./errors.ts";
import type { Fields } from "./record.ts";
import type { SchemaIssue, StandardSchema } from "./standard-schema.ts";
import { DATA_MAX_BYTES, DATA_MAX_FIELDS } from "./store.ts";

/** How deep values may be nested; `JSON.stringify` breaks at some 10,000. */
export const DATA_MAX_DEPTH = 32;
const utf8 = new TextEncoder();
/** In a map these are names like any other; copied into an ordinary object they are not. */
const UNSAFE_NAMES: ReadonlySet<string> = new Set(["__proto__", "constructor", "prototype"]);

export interface Delta {
  readonly set: Fields;
  readonly unset: ReadonlySet<string>;
}

export class SessionData {
  /** What handlers hold. Assigning and deleting fields is checked at once. */
  readonly view: Record<string, unknown>;
  readonly #target: Record<string, unknown> = Object.create(null);
  #before: Fields;

  /** @param values the fields as loaded, already parsed */
  constructor(values: Readonly<Record<string, unknown>>) {
    Object.assign(this.#target, values);
    this.#before = this.texts();
    this.view = new Proxy(this.#target, {
      set: (target, name, value) => {
        const field = checkedName(name);
        checkJson(value, field, 1);
        if (value === undefined) delete target[field];
        else target[field] = value;
        return true;
      },
      defineProperty: () => {
        throw invalidWhole("can only be assigned to");
      },
      preventExtensions: () => {
        throw invalidWhole("cannot be frozen");
      },
      setPrototypeOf: () => {
        throw invalidWhole("has no prototype");
      },
    });
  }

  /** Each field as JSON. Throws "invalid-data" for what became no JSON by a change inside a value. */
  texts(): Fields {
    const texts = new Map<string, string>();
    for (const [name, value] of Object.entries(this.#target)) {
      if (value === undefined) continue;
      checkJson(value, name, 1);
      texts.set(name, JSON.stringify(value));
    }
    return texts;
  }

  /** What differs from what is written; undefined if nothing does. */
  delta(): Delta | undefined {
    const now = this.texts();
    const set = new Map([...now].filter(([name, text]) => this.#before.get(name) !== text));
    const unset = new Set([...this.#before.keys()].filter((name) => !now.has(name)));
    return set.size === 0 && unset.size === 0 ? undefined : { set, unset };
  }

  /** These changes were written. What was changed since they were taken is still to be. */
  settle({ set, unset }: Delta): void {
    const before = new Map([...this.#before, ...set]);
    for (const name of unset) before.delete(name);
    this.#before = before;
  }

  /** Puts other fields in place of all; who holds `view` sees them. */
  reset(values: Readonly<Record<string, unknown>>): void {
    for (const name of Object.keys(this.#target)) delete this.#target[name];
    Object.assign(this.#target, values);
    this.#before = this.texts();
  }
}

/** Parses the fields of a record; undefined if one is no JSON, or none that could be assigned. */
export function parseFields(fields: Fields): Record<string, unknown> | undefined {
  const values: Record<string, unknown> = Object.create(null);
  try {
    for (const [name, text] of fields) {
      const value = JSON.parse(text);
      // Anyone may have written to the store; what we would not write, a handler must not get.
      checkJson(value, checkedName(name), 1);
      values[name] = value;
    }
    return values;
  } catch {
    return undefined;
  }
}

/** Throws "invalid-data" with the first path that the schema refuses. */
export async function validate(
  schema: StandardSchema,
  values: Readonly<Record<string, unknown>>,
): Promise<void> {
  const result = await schema["~standard"].validate({ ...values });
  if (result.issues === undefined) {
    // Schemas drop what they do not know, so it would be written and never be read.
    const stranger = Object.keys(values).find((name) => !(name in Object(result.value)));
    if (stranger !== undefined) throw invalidData(stranger, "is not in the schema");
    return;
  }
  const [issue = { message: "is invalid" }] = result.issues;
  const path = pathOf(issue);
  const message = path === "" ? issue.message : `${path}: ${issue.message}`;
  throw new SessionError("invalid-data", `data: ${message}`, { field: path || "data" });
}

/** Throws "invalid-data" for more fields or bytes than a session may have. */
export function checkSize(data: Fields): void {
  const bytes = [...data].reduce((sum, [name, text]) => sum + utf8.encode(name + text).length, 0);
  if (data.size > DATA_MAX_FIELDS) {
    throw invalidWhole(`has ${data.size} fields; at most ${DATA_MAX_FIELDS}`);
  }
  if (bytes > DATA_MAX_BYTES) {
    throw invalidWhole(`has ${grouped(bytes)} bytes; at most ${grouped(DATA_MAX_BYTES)}`);
  }
}

/** How much there would be, nobody knows: with what others have written, or without an end. */
export function tooLarge(): SessionError {
  return invalidWhole(
    `has more than ${DATA_MAX_FIELDS} fields or ${grouped(DATA_MAX_BYTES)} bytes`,
  );
}

/**
 * The data as the schema sees it, defaults filled in. Fields that do not fit it any more are left
 * out: a session from before a release must not fail every request after it.
 */
export async function fitted(
  schema: StandardSchema,
  values: Readonly<Record<string, unknown>>,
): Promise<Readonly<Record<string, unknown>>> {
  try {
    const seen = await schema["~standard"].validate({ ...values });
    if (seen.issues === undefined) return asJson(seen.value) ?? values;
    const misfits = new Set(seen.issues.map((issue) => pathOf(issue).split(".")[0]));
    const rest = Object.entries(values).filter(([name]) => !misfits.has(name));
    const again = await schema["~standard"].validate(Object.fromEntries(rest));
    return (again.issues === undefined && asJson(again.value)) || Object.fromEntries(rest);
  } catch {
    // A schema that throws says nothing about the data.
    return values;
  }
}

/** The fields of an object, if all of them are plain JSON. */
function asJson(value: unknown): Readonly<Record<string, unknown>> | undefined {
  try {
    for (const [name, field] of Object.entries(Object(value))) checkJson(field, name, 1);
    return { ...Object(value) };
  } catch {
    return undefined;
  }
}

function pathOf({ path = [] }: SchemaIssue): string {
  return path.map((part) => String(typeof part === "object" ? part.key : part)).join(".");
}

function checkedName(name: string | symbol): string {
  if (typeof name === "symbol") throw invalidData(String(name), "is a symbol, not a name");
  if (UNSAFE_NAMES.has(name)) throw invalidData(name, "is not a safe name");
  if (/\p{Surrogate}/u.test(name)) throw invalidData("a name", "is no well-formed Unicode");
  return name;
}

/** Throws for what `JSON.stringify` would drop, change or choke on. `undefined` unsets a field. */
function checkJson(
  value: unknown,
  path: string,
  depth: number,
  walk: Walk = { room: DATA_MAX_BYTES, above: new Set() },
): void {
  if (--walk.room < 0) throw tooLarge();
  if (depth > DATA_MAX_DEPTH) throw invalidData(path, `is nested deeper than ${DATA_MAX_DEPTH}`);
  if (value === null || typeof value === "string" || typeof value === "boolean") return;
  if (value === undefined && depth === 1) return;
  if (typeof value === "number") {
    if (!Number.isFinite(value)) throw invalidData(path, `is ${value}, which JSON cannot hold`);
    return;
  }
  if (typeof value !== "object") {
    const kind = value === undefined ? "undefined" : `a ${typeof value}`;
    const instead = typeof value === "bigint" ? "; keep it as a string" : "";
    throw invalidData(path, `is ${kind}, which JSON cannot hold${instead}`);
  }
  if (walk.above.has(value)) throw invalidData(path, "is circular");
  walk.above.add(value);
  checkInside(value, path, depth + 1, walk);
  walk.above.delete(value);
}

/** What is on the way to a value. */
interface Walk {
  /** Each value is a byte at least. A list that holds another twice, and so on, would never end. */
  room: number;
  /** What the value lies in: if it is one of these, it has no end. */
  readonly above: Set<object>;
}

function checkInside(value: object, path: string, depth: number, walk: Walk): void {
  const prototype = Object.getPrototypeOf(value);
  if (Array.isArray(value)) {
    // Holes, extra properties and subclasses would come back as something else.
    if (prototype !== Array.prototype || Reflect.ownKeys(value).length !== value.length + 1) {
      throw invalidData(path, "is no plain list");
    }
    for (const [i, item] of value.entries()) checkJson(item, `${path}.${i}`, depth, walk);
    return;
  }
  if (prototype !== Object.prototype && prototype !== null) {
    throw invalidData(
      path,
      `is a ${prototype.constructor?.name}; keep it as a string or plain object`,
    );
  }
  for (const [name, { enumerable, value: item, get }] of properties(value, path)) {
    if (!enumerable || get !== undefined || name === "toJSON") {
      throw invalidData(`${path}.${name}`, "is no plain value");
    }
    if (UNSAFE_NAMES.has(name)) throw invalidData(`${path}.${name}`, "is not a safe name");
    if (item !== undefined) checkJson(item, `${path}.${name}`, depth, walk);
  }
}

function properties(value: object, path: string): [string, PropertyDescriptor][] {
  return Reflect.ownKeys(value).map((name) => {
    if (typeof name === "symbol") throw invalidData(path, "has a symbol for a name");
    return [name, Object.getOwnPropertyDescriptor(value, name) ?? {}];
  });
}

function invalidData(path: string, rule: string): SessionError {
  return new SessionError("invalid-data", `data: ${path} ${rule}`, { field: path });
}

function invalidWhole(rule: string): SessionError {
  return new SessionError("invalid-data", `data ${rule}`, { field: "data" });
}

/** As people read it: 32,768. */
function grouped(count: number): string {
  return count.toLocaleString("en-US");
}

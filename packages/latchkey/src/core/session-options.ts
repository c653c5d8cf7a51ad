/** What a handler may ask of a session, and how a wrong wish is refused before anything happens. */
import { invalidOption, refuseUnknown } from "./options.ts";

/** A device is remembered in so many characters. */
export const DEVICE_MAX_CHARS = 256;

export interface LoginOptions {
  /** How the token travels: as cookie (default), or in `token` for the client to send as header. */
  readonly transport?: "cookie" | "header";
  /**
   * `sessions.generation(user)`, read before the credential was checked: then a `revokeUser` in the
   * meantime, say a change of password, refuses this login with "stale-credential".
   */
  readonly generation?: number;
  /** Fields of an anonymous session that the login takes over. Default: none. */
  readonly keep?: readonly string[];
  /** What to remember of the device, for a list of sessions; cut at `DEVICE_MAX_CHARS`. */
  readonly device?: string;
}

export interface RotateOptions {
  /**
   * false: the token before is dead at once, also for requests under way. For when privilege rises.
   * Default: it works for the `rotationGrace` of `createSessions`.
   */
  readonly grace?: false;
}

/** Before anything ends: a forgotten `await` must not switch a check off, or cost a session. */
export function checkLogin(options: LoginOptions): void {
  refuseUnknown(options, ["transport", "generation", "keep", "device"], "login");
  const { transport, generation, keep, device } = options;
  const check = (isGood: boolean, field: string, rule: string): void => {
    if (!isGood) throw invalidOption(field, `must be ${rule}`);
  };
  check(
    transport === undefined || transport === "cookie" || transport === "header",
    "transport",
    '"cookie" or "header"',
  );
  check(
    generation === undefined || (Number.isSafeInteger(generation) && generation >= 0),
    "generation",
    "what sessions.generation(user) resolved to (is an await missing?)",
  );
  check(keep === undefined || Array.isArray(keep), "keep", "a list of names");
  check(device === undefined || typeof device === "string", "device", "a string");
}

/** The same for `rotate`. */
export function checkRotate(options: RotateOptions): void {
  refuseUnknown(options, ["grace"], "rotate");
  const { grace } = options;
  if (grace === undefined || grace === false) return;
  throw invalidOption("grace", "must be false, or left out");
}

/** What is remembered of a device; a surrogate cut in half would come back as something else. */
export function shortened(device: string | undefined): string | undefined {
  return device?.slice(0, DEVICE_MAX_CHARS).replace(/\p{Surrogate}/gu, "\uFFFD");
}

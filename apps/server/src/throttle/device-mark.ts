/**
 * A mark that a browser gets when somebody has logged in with it. It is no credential and opens
 * nothing; it says that this device once knew the password of this user. Failures of a known device
 * are counted apart, so a stranger who fails on purpose delays strangers, and the user logs in.
 *
 * `<random>.<mac>`: 16 random bytes that name the device, and an HMAC-SHA-256 over them and the user's
 * name, both in base64url. A mark is good for one user. The cookie it travels in is the routes' affair.
 */
import { createHmac, timingSafeEqual } from "node:crypto";
import { type RandomBytes, systemRandom } from "latchkey";

export interface DeviceMarksOptions {
  /** The first signs, all verify; 32 random bytes or more each, the same in every server. */
  readonly keys: readonly Uint8Array[];
  readonly random?: RandomBytes;
}

const DEVICE_BYTES = 16;
const KEY_MIN_BYTES = 32;
const MARK = /^([A-Za-z0-9_-]{22})\.([A-Za-z0-9_-]{43})$/;

export class DeviceMarks {
  readonly #keys: readonly Uint8Array[];
  readonly #signing: Uint8Array;
  readonly #random: RandomBytes;

  /** Throws `RangeError` without a key, or with one that is too short. */
  constructor({ keys, random = systemRandom }: DeviceMarksOptions) {
    const [signing] = keys;
    if (signing === undefined || keys.some((key) => key.length < KEY_MIN_BYTES)) {
      throw new RangeError(`keys must be one or more, of at least ${KEY_MIN_BYTES} random bytes`);
    }
    this.#keys = keys;
    this.#signing = signing;
    this.#random = random;
  }

  /** For the device that this user has just logged in with. 66 characters, fit for a cookie. */
  issue(username: string): string {
    const device = Buffer.from(this.#random(DEVICE_BYTES)).toString("base64url");
    return `${device}.${macOf(this.#signing, username, device).toString("base64url")}`;
  }

  /** Which device of this user it is; undefined for a mark that is none, or somebody else's. */
  deviceOf(mark: string | undefined, username: string): string | undefined {
    const [, device, given] = MARK.exec(mark ?? "") ?? [];
    if (device === undefined || given === undefined) return undefined;
    const sent = Buffer.from(given);
    // All keys, whichever fits: the time does not tell which.
    const fits = this.#keys.filter((key) => {
      const mac = Buffer.from(macOf(key, username, device).toString("base64url"));
      return timingSafeEqual(mac, sent);
    });
    return fits.length > 0 ? device : undefined;
  }
}

function macOf(key: Uint8Array, username: string, device: string): Buffer {
  const said = JSON.stringify(["latchkey device", username, device]);
  return createHmac("sha256", key).update(said).digest();
}

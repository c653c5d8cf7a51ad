/**
 * What a session keeps of the device that logged in, for a list in which its owner recognises it.
 * Data, not a credential: a browser that updates itself and a phone that changes networks stay
 * logged in.
 */
import { DEVICE_MAX_CHARS } from "latchkey";

export interface Device {
  /** Network, pseudonym or address, as `keptAddress` has it; undefined: not kept. */
  readonly where: string | undefined;
  /** What the client called itself, printable; undefined: nothing. */
  readonly userAgent: string | undefined;
}

/** Every device whose User-Agent says nothing that we know. */
export const UNKNOWN_DEVICE = "unknown device";
/** Stands where there is no address. */
const NOWHERE = "-";
/** `-`, hexadecimal digits, or an address with or without prefix length. */
const WHERE = /^(?:-|[\da-f.:]{1,45}(?:\/\d{1,3})?)$/;

/** The two as one text for `login({ device })`: where, a blank, the User-Agent cut to what fits. */
export function encodeDevice({ where = NOWHERE, userAgent = "" }: Device): string {
  return printable(`${where} ${userAgent}`);
}

/** Also reads what others wrote: then all of it is the User-Agent. */
export function decodeDevice(text: string): Device {
  const cut = text.indexOf(" ");
  const first = cut === -1 ? text : text.slice(0, cut);
  if (!WHERE.test(first)) return { where: undefined, userAgent: printable(text) || undefined };
  const rest = cut === -1 ? "" : text.slice(cut + 1);
  return {
    where: first === NOWHERE ? undefined : first,
    userAgent: printable(rest) || undefined,
  };
}

/** For people: "Firefox on Linux", "Safari on iPhone", "curl", "unknown device". Claims, no proof. */
export function labelOf(userAgent: string | undefined): string {
  const text = (userAgent ?? "").slice(0, DEVICE_MAX_CHARS);
  const system = nameIn(SYSTEMS, text);
  const claimed = nameIn(PROGRAMS, text);
  // Other browsers on the engine of Safari give its name and no other.
  const isSafari = claimed !== SAFARI || APPLE.includes(system);
  const program = isSafari ? claimed : undefined;
  if (system === undefined) return program ?? UNKNOWN_DEVICE;
  return `${program ?? "unknown program"} on ${system}`;
}

/** [what the User-Agent has in it, what people call it]; the first that is there counts. */
type Marks = readonly (readonly [mark: string, name: string])[];

const SAFARI = "Safari";
const APPLE: readonly (string | undefined)[] = ["iPhone", "iPad", "macOS"];

/** Most call themselves Chrome or Safari as well, so the particular ones come first. */
const PROGRAMS: Marks = [
  ["Edg/", "Edge"],
  ["EdgA/", "Edge"],
  ["EdgiOS/", "Edge"],
  ["OPR/", "Opera"],
  ["OPT/", "Opera"],
  ["Vivaldi/", "Vivaldi"],
  ["SamsungBrowser/", "Samsung Internet"],
  ["YaBrowser/", "Yandex Browser"],
  ["FxiOS/", "Firefox"],
  ["Firefox/", "Firefox"],
  ["CriOS/", "Chrome"],
  ["HeadlessChrome/", "Chrome without a window"],
  ["Chrome/", "Chrome"],
  // Web views of apps have "Safari/" too, but not this.
  ["Version/", SAFARI],
  ["PostmanRuntime/", "Postman"],
  ["insomnia/", "Insomnia"],
  ["HTTPie/", "HTTPie"],
  ["curl/", "curl"],
  ["Wget/", "Wget"],
  ["python-requests/", "Python"],
  ["Go-http-client/", "Go"],
  ["okhttp/", "OkHttp"],
  ["undici", "Node.js"],
];

/** An iPad says that it is a Macintosh, unless asked for the mobile page: we cannot know better. */
const SYSTEMS: Marks = [
  ["iPhone", "iPhone"],
  ["iPad", "iPad"],
  ["Android", "Android"],
  ["Windows", "Windows"],
  ["CrOS", "ChromeOS"],
  ["Macintosh", "macOS"],
  ["Linux", "Linux"],
  ["FreeBSD", "FreeBSD"],
];

function nameIn(marks: Marks, text: string): string | undefined {
  return marks.find(([mark]) => text.includes(mark))?.[1];
}

/** Without control, format and private characters, and halves of pairs; each run is one blank. */
function printable(text: string): string {
  return text
    .slice(0, DEVICE_MAX_CHARS)
    .replace(/[\p{C}\p{Z}]+/gu, " ")
    .trim();
}

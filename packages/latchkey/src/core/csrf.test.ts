/** The check of forged requests: the table of 24, and the spellings that a careless check lets pass. */
import { describe, expect, test } from "vitest";
import { exchange, open } from "../../../../tests/support/sessions.ts";
import { checkOrigins, isForged } from "./csrf.ts";

const OWN = "https://app.example.com";
const TRUSTED = "https://login.example.com";
const RULES = { trusted: checkOrigins([TRUSTED]), isSecure: true };

/** Rows: `Sec-Fetch-Site`. Columns: `Origin` of our own, trusted, of another site, none. */
const TABLE: readonly (readonly [string | undefined, string])[] = [
  ["same-origin", "pass pass pass pass"],
  ["none", "pass pass pass pass"],
  ["same-site", "403 pass 403 403"],
  ["cross-site", "403 pass 403 403"],
  ["nonsense", "403 pass 403 403"],
  [undefined, "pass pass 403 pass"],
];
const ORIGINS = [OWN, TRUSTED, "https://evil.example", undefined];
const CELLS = TABLE.flatMap(([site, verdicts]) =>
  verdicts.split(" ").map((verdict, i) => [site, ORIGINS[i], verdict] as const),
);

test("the table has 24 cells", () => {
  expect(CELLS).toHaveLength(24);
});

describe.each(["POST", "PUT", "PATCH", "DELETE", "QUERY"])("%s", (method) => {
  test.each(CELLS)("Sec-Fetch-Site %s, Origin %s: %s", (site, origin, verdict) => {
    expect(isForged(from({ site, origin, method }), RULES)).toBe(verdict === "403");
  });
});

test.each(["GET", "HEAD", "OPTIONS"])("%s changes nothing, and is not checked", (method) => {
  const request = from({ site: "cross-site", origin: "https://evil.example", method });
  expect(isForged(request, RULES)).toBe(false);
});

describe("an Origin that only looks like ours, from a browser that says nothing else", () => {
  test.each([
    ["null", "null"],
    ["nothing", ""],
    ["http for https", "http://app.example.com"],
    ["another port", "https://app.example.com:8443"],
    ["ours at the start", "https://app.example.com.evil.example"],
    ["ours at the end", "https://evilapp.example.com"],
    ["ours as a user", "https://app.example.com@evil.example"],
    ["a sibling", "https://other.example.com"],
    ["a path", "https://app.example.com/x"],
    ["a slash", "https://app.example.com/"],
    ["capitals, which no browser sends", "https://APP.example.com"],
    ["two at once", `${OWN}, https://evil.example`],
    ["no scheme", "app.example.com"],
    ["another scheme", "ftp://app.example.com"],
    ["a wildcard", "*"],
  ])("%s", (_name, origin) => {
    expect(isForged(from({ origin }), RULES)).toBe(true);
  });

  test.each([
    ["the default port, told or not", "app.example.com:443"],
    ["capitals in Host", "App.Example.Com"],
  ])("%s is ours all the same", (_name, host) => {
    expect(isForged(from({ origin: OWN, host }), RULES)).toBe(false);
  });

  test("without a Host nothing is ours", () => {
    const request = exchange({ origin: OWN }, { method: "POST" });
    expect(isForged(request, RULES)).toBe(true);
  });

  test("http is ours where the cookie is not Secure, and on localhost", () => {
    const local = { origin: "http://localhost:3000", host: "localhost:3000" };
    expect(isForged(from(local), RULES)).toBe(false);
    const plain = { origin: "http://intranet:8080", host: "intranet:8080" };
    expect(isForged(from(plain), RULES)).toBe(true);
    expect(isForged(from(plain), { ...RULES, isSecure: false })).toBe(false);
  });
});

test.each(["*", "null", "login.example.com", `${TRUSTED}/`, "https://*.example.com/x", "file://x"])(
  "%s is no origin to trust",
  (origin) => {
    expect(() => open({ trustedOrigins: [origin] })).toThrow(
      expect.objectContaining({ code: "invalid-option", field: "trustedOrigins" }),
    );
  },
);

describe("a forged request", () => {
  const forgedBy = (cookie: string) =>
    exchange({ cookie, "sec-fetch-site": "cross-site" }, { method: "POST" });

  test("is nobody's: the store is not asked, and nothing of the session can be changed", async () => {
    const { sessions, events } = open();
    const { token } = await (await sessions.open(exchange({}))).login("ada");
    events.length = 0;
    const seen = forgedBy(`__Host-sid=${token}`);
    const session = await sessions.open(seen);
    expect([session.isForged, session.status, session.user]).toEqual([true, "invalid", undefined]);
    expect(events).toMatchObject([{ type: "refused", reason: "csrf", sid: undefined }]);
    const csrf = { code: "csrf", status: 403 };
    await expect(session.login("eve")).rejects.toMatchObject(csrf);
    await expect(session.logout()).rejects.toMatchObject(csrf);
    session.data["a"] = 1;
    await expect(session.commit()).rejects.toMatchObject(csrf);
    await expect(session.rotate()).rejects.toMatchObject(csrf);
    expect(seen.cookies).toEqual([]);
    expect((await sessions.check(token)).status).toBe("valid");
  });

  test("logs in by header all the same: no cookie of the victim's changes", async () => {
    const { sessions } = open();
    const seen = forgedBy("");
    const session = await sessions.open(seen);
    await session.login("ada", { transport: "header" });
    expect([session.user, seen.cookies]).toEqual(["ada", []]);
  });

  test("with a duplicated cookie ends none of the sessions that it names", async () => {
    const { sessions } = open();
    const { token } = await (await sessions.open(exchange({}))).login("ada");
    const session = await sessions.open(forgedBy(`__Host-sid=${token}; __Host-sid=${token}`));
    await expect(session.logout()).rejects.toMatchObject({ code: "csrf" });
    expect((await sessions.check(token)).status).toBe("valid");
  });

  test("is none if a header is the credential, be it good or bad", async () => {
    const { sessions } = open();
    const { token } = await (await sessions.open(exchange({}))).login("ada");
    for (const [id, user] of [
      [token, "ada"],
      ["bad", undefined],
    ] as const) {
      const headers = { "x-session-id": id, cookie: `__Host-sid=${token}` };
      const session = await sessions.open(
        exchange({ ...headers, "sec-fetch-site": "cross-site" }, { method: "POST" }),
      );
      expect([session.isForged, session.user]).toEqual([false, user]);
    }
  });

  test("is none from a trusted origin, and nothing is checked with csrf: false", async () => {
    for (const options of [{ trustedOrigins: [TRUSTED] }, { csrf: false }]) {
      const { sessions } = open(options);
      const headers = { "sec-fetch-site": "cross-site", origin: TRUSTED };
      const session = await sessions.open(exchange(headers, { method: "POST" }));
      await session.login("ada");
      expect([session.isForged, session.user]).toEqual([false, "ada"]);
    }
  });
});

function from(request: {
  readonly site?: string | undefined;
  readonly origin?: string | undefined;
  readonly method?: string;
  readonly host?: string;
}) {
  const { site, origin, method = "POST", host = "app.example.com" } = request;
  return exchange(
    {
      host,
      ...(site === undefined ? {} : { "sec-fetch-site": site }),
      ...(origin === undefined ? {} : { origin }),
    },
    { method },
  );
}

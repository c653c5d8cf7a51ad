import { describe, expect, expectTypeOf, test } from "vitest";
import {
  type CookieOptions,
  checkCookie,
  clearCookieLine,
  cookieValues,
  setCookieLine,
} from "./cookie.ts";

describe("reading Cookie", () => {
  test.each<[string, string[], string[]]>([
    ["alone", ["sid=A"], ["A"]],
    ["among others", ["a=1; sid=A;b=2"], ["A"]],
    ["blanks and tabs around", [" \t sid \t=\t A \t; b"], ["A"]],
    ["a value with =", ["sid=A=B="], ["A=B="]],
    ["nothing but the name", ["sid"], []],
    ["an empty value", ["sid="], [""]],
    ["two of the name", ["sid=A; sid=B"], ["A", "B"]],
    ["two headers", ["sid=A", "sid=B"], ["A", "B"]],
    ["another case", ["SID=A; Sid=B"], []],
    ["a name that ends with it", ["xsid=A; __Host-sid=B"], []],
    ["U+00A0 before the name", ["\u00a0sid=A"], []],
    ["a line separator before the name", ["\u2028sid=A"], []],
    ["quotes stay", ['sid="A"'], ['"A"']],
    ["percent stays", ["sid=%41"], ["%41"]],
    ["a cookie without name", ["=sid=A"], []],
    ["$Version is a cookie", ["$Version=1; sid=A"], ["A"]],
    ["a comma separates nothing", ["a=1, sid=A"], []],
    ["none", [], []],
  ])("%s", (_name, headers, values) => {
    expect(cookieValues(headers, "sid")).toEqual(values);
  });
});

test("16 kB of blanks are read in one pass", () => {
  // The quadratic way needs a hundred million steps for these; a run of it is over 20 s.
  for (let i = 0; i < 50; i++) {
    expect(cookieValues([`x${" ".repeat(16_000)}y=1; sid=A`], "sid")).toEqual(["A"]);
  }
});

describe("writing Set-Cookie", () => {
  test("the default is a __Host- cookie that scripts cannot read", () => {
    const settings = checkCookie();
    expect(setCookieLine(settings, "T")).toBe(
      "__Host-sid=T; Path=/; Secure; HttpOnly; SameSite=Lax",
    );
    expect(clearCookieLine(settings)).toBe(
      "__Host-sid=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Lax",
    );
  });

  test("without Secure only under a name that does not promise it", () => {
    const settings = checkCookie({ name: "sid", secure: false, sameSite: "Strict" });
    expect(setCookieLine(settings, "T")).toBe("sid=T; Path=/; HttpOnly; SameSite=Strict");
  });

  test("for frames of other sites, and kept longer than the browser runs", () => {
    const settings = checkCookie({ sameSite: "None", partitioned: true, maxAge: "30d" });
    const attributes = "Path=/; Secure; HttpOnly; SameSite=None; Partitioned";
    expect(setCookieLine(settings, "T")).toBe(`__Host-sid=T; Max-Age=2592000; ${attributes}`);
    expect(clearCookieLine(settings)).toBe(`__Host-sid=; Max-Age=0; ${attributes}`);
  });

  test("a name that promises Secure goes with Secure only, by the types too", () => {
    expectTypeOf<{ name: "__Host-sid"; secure: false }>().not.toExtend<CookieOptions>();
    expectTypeOf<{ name: "__Secure-sid"; secure: false }>().not.toExtend<CookieOptions>();
    expectTypeOf<{ secure: false }>().not.toExtend<CookieOptions>();
    expectTypeOf<{
      name: "sid";
      secure: false;
      sameSite: "None";
    }>().not.toExtend<CookieOptions>();
    expectTypeOf<{
      name: "sid";
      secure: false;
      partitioned: true;
    }>().not.toExtend<CookieOptions>();
    expectTypeOf<{ name: "sid"; secure: false }>().toExtend<CookieOptions>();
    expectTypeOf<{ name: "__Host-sid"; sameSite: "None" }>().toExtend<CookieOptions>();
  });

  test.each<[string, Record<string, unknown>]>([
    ["cookie.secure", { secure: false }],
    ["cookie.secure", { name: "__secure-sid", secure: false }],
    ["cookie.name", { name: "" }],
    ["cookie.name", { name: "s id" }],
    ["cookie.name", { name: "sid;Domain=x" }],
    ["cookie.name", { name: "s=id" }],
    ["cookie.sameSite", { sameSite: "lax" }],
    ["cookie.sameSite", { name: "sid", secure: false, sameSite: "None" }],
    ["cookie.partitioned", { name: "sid", secure: false, partitioned: true }],
    ["cookie.partitioned", { partitioned: "yes" }],
    ["cookie.secure", { name: "sid", secure: "no" }],
    ["cookie.maxAge", { maxAge: "999ms" }],
    ["cookie.maxAge", { maxAge: "401d" }],
    ["cookie.maxAge", { maxAge: 3600 }],
    ["cookie.domain", { domain: "a; Path=/x" }],
    ["cookie.path", { path: "/x" }],
  ])("%s is named when it is bad: %o", (field, options) => {
    // As from JavaScript: the types refuse most of these.
    expect(() => checkCookie(options as CookieOptions)).toThrow(
      expect.objectContaining({ code: "invalid-option", field }),
    );
  });
});

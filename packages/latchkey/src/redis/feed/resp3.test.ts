import { describe, expect, test } from "vitest";
import { encodeCommand, type Reply, Resp3Decoder, RespError } from "./resp3.ts";

const SAMPLES: readonly [string, string, Reply][] = [
  ["a status", "+OK\r\n", "OK"],
  ["a number", ":-42\r\n", -42],
  ["a string with line ends", "$6\r\né\r\n\r\n\r\n", "é\r\n\r\n"],
  ["nothing", "_\r\n", null],
  ["nothing, as RESP2 says it", "$-1\r\n", null],
  ["a boolean", "#t\r\n", true],
  ["a double", ",1.5\r\n", 1.5],
  ["a list in a list", "*2\r\n*1\r\n:1\r\n$1\r\nx\r\n", [[1], "x"]],
  ["a map", "%1\r\n+a\r\n:1\r\n", ["a", 1]],
];

describe("the decoder", () => {
  test.each(SAMPLES)("%s is read, in one piece and byte by byte", (_name, text, expected) => {
    for (const size of [1, 2, 3, 1_000]) {
      expect(decoded(text.repeat(3), size)).toEqual([expected, expected, expected]);
    }
  });

  test("an error is a value, not a throw", () => {
    const [error] = decoded("-NOPERM no\r\n", 100);
    expect(error).toBeInstanceOf(RespError);
    expect(error).toMatchObject({ message: "NOPERM no" });
  });

  test("pushes come apart from replies, in order", () => {
    const seen: unknown[] = [];
    const decoder = new Resp3Decoder({
      onReply: (reply) => seen.push(reply),
      onPush: (push) => seen.push(["push", ...push]),
    });
    const push = ">2\r\n$10\r\ninvalidate\r\n*1\r\n$1\r\nk\r\n";
    decoder.push(Buffer.from(`+A\r\n${push}+B\r\n`));
    expect(seen).toEqual(["A", ["push", "invalidate", ["k"]], "B"]);
  });

  test.each([
    ["a stray byte", "x+OK\r\n"],
    ["a length that is none", "$x\r\n"],
    ["a length without end", "$99999999999\r\n"],
    ["a string longer than it says", "$1\r\nabc\r\n"],
    ["more items than anyone sends", "*1000000\r\n"],
    ["a nest without end", "*1\r\n".repeat(50)],
    ["a line without end", `+${"x".repeat(100_000)}`],
  ])("%s throws", (_name, text) => {
    expect(() => decoded(text, 100_000)).toThrow("RESP3");
  });
});

test("a command is encoded by bytes, not characters", () => {
  expect(encodeCommand(["GET", "é"])).toBe("*2\r\n$3\r\nGET\r\n$2\r\né\r\n");
});

function decoded(text: string, chunkSize: number): Reply[] {
  const replies: Reply[] = [];
  const decoder = new Resp3Decoder({ onReply: (reply) => replies.push(reply), onPush: () => {} });
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += chunkSize) {
    decoder.push(bytes.subarray(at, at + chunkSize));
  }
  return replies;
}

/** What every adapter says of a slip, and when: where it is made, not at the first request. */
import { createSessions } from "latchkey";
import { expressSessions } from "latchkey/express";
import { fastifySessions } from "latchkey/fastify";
import { fetchSessions } from "latchkey/fetch";
import { honoSessions } from "latchkey/hono";
import { koaSessions } from "latchkey/koa";
import { memoryStore } from "latchkey/memory";
import { nodeSessions } from "latchkey/node";
import { expect, test } from "vitest";

test("what is no manager, and options that are none, are refused before the first request", () => {
  const sessions = createSessions({ store: memoryStore() });
  for (const open of [
    ...[nodeSessions, expressSessions, fastifySessions],
    ...[honoSessions, koaSessions, fetchSessions],
  ]) {
    for (const none of [undefined, null, {}, { store: memoryStore() }, memoryStore()]) {
      expect(() => open(none as never)).toThrow(
        expect.objectContaining({
          ...{ code: "invalid-option", field: "sessions" },
          message: "sessions must be what createSessions returns",
        }),
      );
    }
    expect(() => open(sessions, { readonly: true } as object)).toThrow(
      expect.objectContaining({ code: "invalid-option", field: "readonly" }),
    );
    open(sessions, { readOnly: true, fresh: true });
  }
});

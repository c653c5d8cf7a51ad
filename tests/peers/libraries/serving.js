/** What the libraries share: listening on 127.0.0.1, and ending for good. */

import { createHmac } from "node:crypto";
import { once } from "node:events";
import { createClient } from "redis";

export async function connect(url) {
  const client = createClient({ url });
  client.on("error", () => {}); // The command that failed says so too.
  return client.connect();
}

/** @param ending further things to close */
export async function listening(server, ...ending) {
  if (!server.listening) {
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
  }
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      for (const end of ending) await end();
    },
  };
}

/**
 * The usual way to sign a cookie: `value.hmac`.
 * @param padding what is left of the base64's padding
 */
export function signed(value, secret, padding = "") {
  const mac = createHmac("sha256", secret).update(value).digest("base64").replace(/=+$/, padding);
  return encodeURIComponent(`${value}.${mac}`);
}

/** A store as the documents of koa-session and both of Hono ask for: three verbs, and JSON. */
export function jsonStore(client, prefix) {
  return {
    get: async (id) => {
      const text = await client.get(prefix + id);
      return text === null ? null : JSON.parse(text);
    },
    set: async (id, value, seconds) => {
      await client.set(prefix + id, JSON.stringify(value), seconds ? { EX: seconds } : {});
    },
    delete: async (id) => {
      await client.del(prefix + id);
    },
  };
}

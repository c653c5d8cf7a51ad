/**
 * The one application that every library is mounted under. A library brings the session in these
 * words, and nothing else of it is seen here:
 *
 * - `read()`: its data, `user` among it
 * - `set(field, value)`, `logout()`: as its documents show
 * - `login(user)`: what makes a user of a visitor, and nothing more
 * - `renew()`: a new id for the session; optional
 * - `loginRenewed(user)`: a login with a new id, where `login` gives none; optional
 * - `commit()`: saves now, and answers "conflict" if somebody else wrote meanwhile; optional
 * - `list(user)`, `endAll(user)`, `endOthers(user)`: optional
 *
 * A request waits at `?before=` once it has read, and at `?gate=` once it has changed something too, before
 * it answers. `read`, `set` and `login` are told of the latter, for a library that saves at once: it
 * waits between its own read and write.
 */
export function application(gates) {
  return async function answer({ method, url }, session) {
    const { pathname, searchParams } = new URL(url, "http://127.0.0.1");
    const route = ROUTES[`${method} ${pathname}`];
    if (route === undefined) return { status: 404, body: {} };
    const query = Object.fromEntries(searchParams);
    const pass = () => gates.pass(query.gate);
    const begin = async () => {
      const data = { ...(await session.read(pass)) };
      await gates.pass(query.before);
      return data;
    };
    return { status: 200, body: {}, ...(await route({ query, session, begin, pass })) };
  };
}

const ROUTES = {
  "GET /me": async ({ begin, pass }) => {
    const data = await begin();
    await pass();
    return { body: { ...data, user: data.user ?? null } };
  },
  "POST /login": async ({ query, session, pass }) => {
    await session.login(query.user, pass);
    await pass();
  },
  "POST /login-renewed": async ({ query, session }) => {
    if (session.loginRenewed === undefined) await session.login(query.user);
    else await session.loginRenewed(query.user);
  },
  "POST /renew": async ({ session }) => {
    await session.renew();
  },
  "POST /logout": async ({ session }) => {
    await session.logout();
  },
  "POST /set": async ({ query, session, begin, pass }) => {
    await begin();
    await session.set(query.field, query.value, pass);
    await pass();
  },
  "POST /increment": async ({ session, begin, pass }) => {
    const { n } = await begin();
    await session.set("n", (n ?? 0) + 1, pass);
    await pass();
    return { status: (await session.commit?.()) === "conflict" ? 409 : 200 };
  },
  "POST /redirect": async ({ query, session, begin }) => {
    await begin();
    await session.set(query.field, query.value);
    return { status: 302, location: "/me" };
  },
  "POST /odd": async ({ query, session }) => {
    await session.set(query.field, ODD[query.field]);
  },
  "GET /odd": async ({ query, begin }) => {
    const value = (await begin())[query.field];
    return { body: { isKept: typeof value === "bigint" || value instanceof Map } };
  },
  "GET /list": async ({ query, session }) => ({ body: { count: await session.list(query.user) } }),
  "POST /end-all": async ({ query, session }) => {
    await session.endAll(query.user);
  },
  "POST /end-others": async ({ query, session }) => {
    await session.endOthers(query.user);
  },
};

/** By field: values that JSON has no words for. */
const ODD = { big: 10n, map: new Map([["a", 1]]) };

/** Where requests wait until the recipe lets them go on. */
export class Gates {
  #gates = new Map();

  /** @param wanted how many requests must have come before `reached` resolves */
  hold(name, wanted = 1) {
    const gate = { arrived: 0, wanted, reached: deferred(), opened: deferred() };
    this.#gates.set(name, gate);
    return { reached: gate.reached.promise, open: () => gate.opened.resolve() };
  }

  async pass(name) {
    const gate = this.#gates.get(name);
    if (gate === undefined) return;
    gate.arrived += 1;
    if (gate.arrived === gate.wanted) gate.reached.resolve();
    await gate.opened.promise;
  }
}

function deferred() {
  const made = {};
  made.promise = new Promise((resolve) => {
    made.resolve = resolve;
  });
  return made;
}

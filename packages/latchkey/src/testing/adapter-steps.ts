/** Routes and bodies that the checks of saving are made of. */
import type { Route } from "./adapter-harness.ts";

/** Changes a field by the name of the route. */
export function sets(name: string, status = 200, headers: Record<string, string> = {}): Route {
  return {
    handle: ({ data }) => {
      data[name] = true;
      return { status, headers, body: name };
    },
  };
}

/** Some turns of the event loop: what could have been sent by now would be there. */
export async function turns(): Promise<void> {
  for (let i = 0; i < 50; i++) await new Promise((resolve) => setImmediate(resolve));
}

/** Yields one after the other; `between` runs after the first. */
export async function* chunks(
  texts: readonly string[],
  between = async (): Promise<void> => {},
): AsyncGenerator<string> {
  const [first = "", ...rest] = texts;
  yield first;
  await turns();
  await between();
  yield* rest;
}

/** Yields until nobody listens any more. */
export async function* endless(isOver: () => void): AsyncGenerator<string> {
  try {
    for (;;) {
      await turns();
      yield "x".repeat(1_000);
    }
  } finally {
    isOver();
  }
}

/** A promise, and what resolves it. */
export function latch(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

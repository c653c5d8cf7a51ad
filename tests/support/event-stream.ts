/** A client of server-sent events that keeps all it hears, as `EventSource` would not. */
import { until } from "./until.ts";

export interface ServerEvent {
  readonly event: string;
  readonly data: unknown;
}

export interface Listening {
  readonly headers: Headers;
  /** Everything that was sent so far, comments included. */
  text(): string;
  heard(): readonly ServerEvent[];
  /** How the stream ended: in good order, or cut off. Undefined while it is open. */
  end(): "closed" | "cut" | undefined;
  /** Resolves to the events when the stream is over. */
  ended(): Promise<readonly ServerEvent[]>;
  /** Goes away, as a tab that is closed. */
  leave(): void;
}

/** Rejects if the answer is no stream. */
export async function listen(
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<Listening> {
  const leaving = new AbortController();
  const response = await fetch(url, { headers, signal: leaving.signal });
  const { body } = response;
  if (!response.ok || body === null) {
    throw new Error(`no stream: ${response.status} ${await response.text()}`);
  }
  let text = "";
  let end: "closed" | "cut" | undefined;
  const read = async (): Promise<void> => {
    const decoder = new TextDecoder();
    for await (const chunk of body) text += decoder.decode(chunk, { stream: true });
  };
  const reading = read().then(
    () => {
      end = "closed";
    },
    () => {
      end = "cut";
    },
  );
  const heard = (): readonly ServerEvent[] => eventsIn(text);
  return {
    ...{ headers: response.headers, text: () => text, heard, end: () => end },
    async ended() {
      await until(() => end !== undefined);
      await reading;
      return heard();
    },
    leave: () => leaving.abort(),
  };
}

function eventsIn(text: string): ServerEvent[] {
  return [...text.matchAll(/^event: (\w+)\ndata: (.*)\n\n/gm)].map(([, event = "", data = ""]) => ({
    event,
    data: JSON.parse(data),
  }));
}

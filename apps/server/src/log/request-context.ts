/**
 * Which request the code is working for, for lines that are written where no request is at hand:
 * the library tells what happened to a session, not who asked.
 */
import { AsyncLocalStorage } from "node:async_hooks";

export interface RequestContext {
  readonly requestId: string;
  /** The client, as `keptAddress` has it. */
  readonly where: string | undefined;
}

const requests = new AsyncLocalStorage<RequestContext>();

/** Runs `work`, and all that it starts, as part of this request. */
export function withinRequest<Result>(context: RequestContext, work: () => Result): Result {
  return requests.run(context, work);
}

/** Undefined outside of any request. */
export function currentRequest(): RequestContext | undefined {
  return requests.getStore();
}

import { problem } from "latchkey";

/** For a framework whose handlers get `{ method, rawHeaders, reply }` and give the reply back. */
export function mySessions(sessions) {
  return (handler) => async (call) => {
    const visit = await sessions.visit(exchangeOf(call));
    const answer = await handler(call, visit.session);
    // Before anything leaves: save what the handler changed, then put in the session's headers.
    const refusal = await visit.settle(answer.status);
    const sent = refusal === undefined ? answer : problem(refusal);
    call.headers = new Headers(sent.headers);
    visit.seal();
    return { ...sent, headers: call.headers };
  };
}

function exchangeOf(call) {
  call.headers = new Headers();
  return {
    method: call.method,
    scheme: "https",
    headers: (name) => call.rawHeaders.filter(([key]) => key === name).map(([, value]) => value),
    responseHeader: (name) =>
      name === "set-cookie" ? call.headers.getSetCookie() : [call.headers.get(name) ?? []].flat(),
    setResponseHeader: (name, lines) => {
      call.headers.delete(name);
      for (const line of lines) call.headers.append(name, line);
    },
  };
}

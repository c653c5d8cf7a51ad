/** An HTTP exchange without HTTP, for the pages of the guide that are about something else. */
export function request(headers = {}) {
  const answer = {};
  return {
    method: "GET",
    scheme: "https",
    headers: (name) => (name in headers ? [headers[name]] : []),
    responseHeader: (name) => answer[name.toLowerCase()] ?? [],
    setResponseHeader: (name, lines) => {
      answer[name.toLowerCase()] = lines;
    },
  };
}

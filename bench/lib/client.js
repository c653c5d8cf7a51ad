/**
 * The load: keep-alive connections, one request at a time on each, straight on sockets. A client
 * that costs little leaves the processor to the server that is measured.
 */
import { once } from "node:events";
import { connect } from "node:net";
import { quantile, round } from "./stats.js";

const HEAD_END = "\r\n\r\n";
/** On a busy machine Redis is late now and then, and the answer is 503; more is a mistake of ours. */
const FAILURES = 100;

/** What Chrome sends with a fetch from a page of the same origin. */
const BROWSER = {
  host: "127.0.0.1:3000",
  connection: "keep-alive",
  "sec-ch-ua-platform": '"Linux"',
  "user-agent":
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
  accept: "application/json",
  "sec-ch-ua": '"Chromium";v="142", "Not_A Brand";v="99", "Google Chrome";v="142"',
  "sec-ch-ua-mobile": "?0",
  "sec-fetch-site": "same-origin",
  "sec-fetch-mode": "cors",
  "sec-fetch-dest": "empty",
  referer: "http://127.0.0.1:3000/",
  "accept-encoding": "gzip, deflate, br, zstd",
  "accept-language": "en-US,en;q=0.9",
};

export function request(method, path, headers = {}) {
  const lines = Object.entries({ ...BROWSER, ...headers }).map(
    ([name, value]) => `${name}: ${value}`,
  );
  return `${[`${method} ${path} HTTP/1.1`, ...lines].join("\r\n")}${HEAD_END}`;
}

export class Client {
  #sockets;

  constructor(sockets) {
    this.#sockets = sockets;
  }

  static async open(port, connections) {
    const opening = Array.from({ length: connections }, async () => {
      const socket = connect({ port, host: "127.0.0.1", noDelay: true });
      await once(socket, "connect");
      return socket.setEncoding("latin1");
    });
    return new Client(await Promise.all(opening));
  }

  /**
   * Sends what `next()` gives until it gives undefined; rejects if more than a few answers are none of 2xx.
   * @param onAnswer hears each answer with how many ms it took, and the number that `next` counted
   */
  drive(next, onAnswer) {
    let number = 0;
    let failed = 0;
    const follow = (socket) =>
      new Promise((resolve, reject) => {
        let [text, sentAt, mine] = ["", 0, 0];
        const finish = (error) => {
          socket.off("data", read).off("close", closed);
          if (error === undefined) resolve();
          else reject(error);
        };
        const send = () => {
          mine = number++;
          const message = next(mine);
          if (message === undefined) return finish();
          sentAt = performance.now();
          socket.write(message, "latin1");
        };
        const read = (chunk) => {
          text = text === "" ? chunk : text + chunk;
          if (!isWhole(text)) return;
          const answer = text;
          text = "";
          if (answer[9] === "2") onAnswer(performance.now() - sentAt, mine, answer);
          else if (++failed > FAILURES)
            return finish(new Error(`answered: ${answer.slice(0, 300)}`));
          send();
        };
        if (socket.destroyed) return reject(new Error("the server closed an idle connection"));
        const closed = () => finish(new Error("the server closed a connection"));
        socket.on("data", read).on("close", closed);
        send();
      });
    return Promise.all(this.#sockets.map(follow));
  }

  /** One of the requests after the other, at random, for so many ms. */
  async runFor(ms, requests, random) {
    const latencies = [];
    // It never sleeps: to wake a sleeping client takes microseconds of the server's own time, and only
    // of a server that is slower than the client.
    let isAwake = true;
    const stayAwake = () => isAwake && setImmediate(stayAwake);
    stayAwake();
    const began = performance.now();
    const end = began + ms;
    await this.drive(
      () => (performance.now() < end ? requests[random(requests.length)] : undefined),
      (took) => latencies.push(took),
    );
    isAwake = false;
    const seconds = (performance.now() - began) / 1000;
    return {
      count: latencies.length,
      perSecond: round(latencies.length / seconds, 4),
      p50: round(quantile(latencies, 0.5)),
      p99: round(quantile(latencies, 0.99)),
    };
  }

  close() {
    for (const socket of this.#sockets) socket.removeAllListeners("close").destroy();
  }
}

function isWhole(text) {
  const head = text.indexOf(HEAD_END);
  if (head === -1) return false;
  const length = /\r\ncontent-length: *(\d+)/i.exec(text);
  if (length === null) return text.endsWith(`0${HEAD_END}`);
  return text.length >= head + HEAD_END.length + Number(length[1]);
}

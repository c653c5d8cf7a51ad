/** Who sent a request: found out once, for throttles, the log and what is kept of a device. */
import type { Request, RequestHandler } from "express";
import { withinRequest } from "./log/request-context.ts";
import { Problem } from "./problem.ts";
import type { Client } from "./proxy/client-address.ts";
import { requestIdOf } from "./request-id.ts";
import { type Network, networkOf } from "./throttle/network.ts";

interface Sender extends Client {
  /** The address as it may be kept and logged. */
  readonly where: string | undefined;
}

export interface ClientParts {
  readonly clientOf: (req: Request) => Client;
  /** As much of an address as may be kept. */
  readonly kept: (address: Client["address"]) => string | undefined;
}

const senders = new WeakMap<Request, Sender>();

/** For each request, before anything asks who sent it. What follows runs within this request. */
export function noteClient({ clientOf, kept }: ClientParts): RequestHandler {
  return (req, _res, next) => {
    const client = clientOf(req);
    const where = kept(client.address);
    senders.set(req, { ...client, where });
    withinRequest({ requestId: requestIdOf(req) ?? "", where }, next);
  };
}

export function senderOf(req: Request): Sender {
  const sender = senders.get(req);
  if (sender === undefined) throw new Error("mount noteClient before this handler");
  return sender;
}

/** What the throttles count by. */
export function senderNetwork(req: Request): Network {
  const network = networkOf(senderOf(req).address?.text ?? "");
  if (network !== undefined) return network;
  // The connection is gone already: nobody reads this, and nobody is to be counted.
  throw new Problem({ status: 400, code: "invalid_request", title: "The sender is unknown" });
}

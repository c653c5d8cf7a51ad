/** The environment of a production server that may start, to be spoilt by one setting at a time. */
import { randomBytes } from "node:crypto";

/** A secret such as `openssl rand -hex 32` makes. */
export function secret(): string {
  return randomBytes(32).toString("hex");
}

export const PUBLIC_ORIGIN = "https://app.example.org";

export function productionEnv(redisUrl: string): Record<string, string> {
  return {
    AUTH_PROFILE: "production",
    PUBLIC_ORIGIN,
    AUTH_SECRETS: `k1:${secret()}`,
    REDIS_URL: redisUrl,
  };
}

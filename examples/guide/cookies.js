import { createSessions } from "latchkey";
import { memoryStore } from "latchkey/memory";

const store = memoryStore();

// Behind https, the default: __Host-sid, Secure, HttpOnly, SameSite=Lax, until the browser ends.
createSessions({ store });

// Plain http in development, on a host that is not localhost.
createSessions({ store, cookie: { name: "sid", secure: false } });

// One program for both.
const isDevelopment = process.env.NODE_ENV !== "production";
createSessions({ store, cookie: isDevelopment ? { name: "sid", secure: false } : {} });

// Kept for 30 days, and the session as long.
createSessions({ store, cookie: { maxAge: "30d" }, absoluteTimeout: "30d", idleTimeout: "7d" });

// In a frame of other sites: one cookie for each site around it.
createSessions({ store, cookie: { sameSite: "None", partitioned: true } });

// Pages of another host call this one with the cookie.
createSessions({ store, trustedOrigins: ["https://www.example.com"] });

/** One contestant in a process of its own: `server.js <framework> <name> <redis url>`. */
import { answerParent } from "../lib/child.js";

const [framework, name, redisUrl] = process.argv.slice(2);
const server = await start();
// A contestant waits for its turn longer than a connection may be idle by default.
server.keepAliveTimeout = 3_600_000;
answerParent({ port: () => server.address().port, cpu: () => process.cpuUsage() });

async function start() {
  // Only what it needs: other frameworks' code would be in its memory, and nowhere else in life.
  if (framework === "node:http") return (await import("./on-node.js")).onNode(name, redisUrl);
  if (framework === "express") return (await import("./on-express.js")).onExpress(name, redisUrl);
  return (await import("./on-fastify.js")).onFastify(name, redisUrl);
}

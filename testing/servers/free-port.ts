import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/**
 * Below the ports that systems give to outgoing connections (from 32,768 on Linux, from 49,152 elsewhere): a port may be
 * found long before it is used, and connections of browsers and clients would take it meanwhile.
 */
const [from, until] = [12_000, 32_000];
const tries = 100;

/** A TCP port on the loopback address that nothing listens on now. Somebody else may take it before its use. */
export async function findFreePort(): Promise<number> {
  for (let tried = 0; tried < tries; tried++) {
    const port = randomInt(from, until);
    if (await isFree(port)) return port;
  }
  throw new Error(`None of ${tries} ports was free.`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen(port, "127.0.0.1", () => server.close(() => resolve(true)));
  });
}

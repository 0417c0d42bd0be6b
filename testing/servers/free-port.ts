import { randomInt } from "node:crypto";
import { createServer } from "node:net";

/**
 * Below the ports that systems give to outgoing connections (from 32,768 on Linux, from 49,152 elsewhere): a port may be
 * found long before it is used, and connections of browsers and clients would take it meanwhile.
 */
const [from, until] = [12_000, 32_000];
/** Test files that run beside each other look in ranges of their own, so that none takes what another has found. */
const ranges = 8;
const tries = 100;

/** What this process has found already: it may not be in use yet, or not any more for a moment. */
const found = new Set<number>();

/** A TCP port on the loopback address that nothing listens on now. Somebody else may take it before its use. */
export async function findFreePort(): Promise<number> {
  const range = Number(process.env["VITEST_POOL_ID"] ?? 0) % ranges;
  const width = (until - from) / ranges;
  for (let tried = 0; tried < tries; tried++) {
    const port = from + range * width + randomInt(width);
    if (found.has(port) || !(await isFree(port))) continue;
    found.add(port);
    return port;
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

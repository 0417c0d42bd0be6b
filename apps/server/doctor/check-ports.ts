import { createServer } from "node:net";
import { errorCode, type ListenAddress } from "@signalbox/kernel";
import { broken, type Check, type Finding, ok } from "./finding.js";

/** Addresses that the server is to listen on must be free, unless it is the server that has them. */
export const checkPorts: Check = async ({ config, server }) => {
  const addresses = {
    listen: config.listen,
    metrics_listen: config.metricsListen,
    "relay.listen": config.relay.listen,
  };
  return Promise.all(
    Object.entries(addresses).map(async ([key, address]): Promise<Finding> => {
      const place = `${address.host}:${address.port}`;
      const failure = await tryToListen(address);
      if (failure === undefined) return ok(key, `${place} is free`);
      if (failure === "EADDRINUSE" && server) return ok(key, `${place} is in use while the server runs`);
      return broken(key, `${place} cannot be listened on (${failure})`, advice(failure, key));
    }),
  );
};

function advice(failure: string, key: string): string {
  if (failure === "EADDRINUSE") return `Stop the program that has this port, or set another \`${key}\`.`;
  if (failure === "EACCES") return `Set a port above 1023 as \`${key}\`, or allow the server's user to take this one.`;
  return `Set an address of this machine as \`${key}\`.`;
}

/** Code of the failure, nothing when the address is free. */
function tryToListen({ host, port }: ListenAddress): Promise<string | undefined> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", (error) => resolve(errorCode(error) ?? "unknown reason"));
    probe.listen({ host, port, exclusive: true }, () => probe.close(() => resolve(undefined)));
  });
}

import { systemClock } from "@signalbox/kernel";
import type { ServerConfig } from "../config.js";
import { type DirectoryHolder, directoryHolder } from "../data-directory.js";
import { dataPaths } from "../data-paths.js";
import { checkAnalytics } from "./check-analytics.js";
import { checkDatabase } from "./check-database.js";
import { checkDeliveries } from "./check-deliveries.js";
import { checkExperiences } from "./check-experiences.js";
import { checkDataDirectory, checkDisk, checkVersions } from "./check-machine.js";
import { checkPorts } from "./check-ports.js";
import { askReadiness, checkServer } from "./check-server.js";
import { checkTokenKey } from "./check-token-key.js";
import { checkTransport } from "./check-transport.js";
import { brokenBy, type Check, type Finding } from "./finding.js";

const checks: Readonly<Record<string, Check>> = {
  versions: checkVersions,
  "data directory": checkDataDirectory,
  disk: checkDisk,
  "token key": checkTokenKey,
  server: checkServer,
  database: checkDatabase,
  analytics: checkAnalytics,
  transport: checkTransport,
  deliveries: checkDeliveries,
  experiences: checkExperiences,
  ports: checkPorts,
};

/** Looks at everything, one after the other; a check that fails is a finding and does not keep the others from looking. */
export async function examine(config: ServerConfig): Promise<Finding[]> {
  const { directory } = dataPaths(config);
  const findings: Finding[] = [];
  let holder: DirectoryHolder | undefined;
  try {
    holder = directoryHolder(directory, systemClock);
  } catch (error) {
    // Whatever else is looked at would only say this again.
    return [brokenBy("data directory", error)];
  }
  const readiness = holder && (await askReadiness(config, holder));
  for (const [name, check] of Object.entries(checks)) {
    try {
      const patient = { config, clock: systemClock, server: directoryHolder(directory, systemClock), readiness };
      findings.push(...(await check(patient)));
    } catch (error) {
      findings.push(brokenBy(name, error));
    }
  }
  return findings;
}

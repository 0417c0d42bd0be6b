import { accessSync, constants, existsSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { createDiskGuard, formatSize } from "@signalbox/kernel";
import { dataPaths } from "../data-paths.js";
import { version } from "../version.js";
import { broken, brokenBy, type Check, ok, warning } from "./finding.js";

const oldestNode = [20, 19] as const;

export const checkVersions: Check = async () => {
  const [major = 0, minor = 0] = process.versions.node.split(".").map(Number);
  const isOld = major < oldestNode[0] || (major === oldestNode[0] && minor < oldestNode[1]);
  const versions = `Signalbox ${version} on Node ${process.versions.node}`;
  return isOld
    ? [broken("versions", versions, `Install Node ${oldestNode.join(".")} or newer.`)]
    : [ok("versions", versions)];
};

export const checkDataDirectory: Check = async ({ config }) => {
  const { directory } = dataPaths(config);
  const subject = "data directory";
  const existing = existsSync(directory);
  try {
    accessSync(existing ? directory : nearestExisting(directory), constants.R_OK | constants.W_OK | constants.X_OK);
  } catch (error) {
    return [brokenBy(subject, error, "Let the server's user read and write it, or set another `data_dir`.")];
  }
  if (!existing) return [ok(subject, `${directory} will be made by the first start`)];
  const mode = statSync(directory).mode & 0o777;
  if ((mode & 0o007) !== 0) {
    const message = `${directory} is open to every user of this machine (mode ${mode.toString(8)})`;
    return [warning(subject, message, `chmod 700 ${directory}`)];
  }
  return [ok(subject, `${directory} is readable and writable`)];
};

export const checkDisk: Check = async ({ config }) => {
  const { minFreeBytes } = config.storage;
  const path = nearestExisting(dataPaths(config).directory);
  const guard = createDiskGuard({ path, ...(minFreeBytes === undefined ? {} : { minFreeBytes }) });
  const state = await guard.check();
  if (guard.freeBytes === undefined)
    return [warning("disk", `the free space of ${path} cannot be read`, "Look at the file system.")];
  const message = `${roughSize(guard.freeBytes)} free; intake stops below ${roughSize(guard.minFreeBytes ?? 0)}`;
  if (state === "full")
    return [broken("disk", message, "Free space on this disk, or move `data_dir` to a larger one.")];
  if (state === "low") return [warning("disk", message, "Free space on this disk before it fills up.")];
  return [ok("disk", message)];
};

function nearestExisting(path: string): string {
  return existsSync(path) ? path : nearestExisting(dirname(path));
}

function roughSize(bytes: number): string {
  const gib = bytes / 2 ** 30;
  return gib >= 1 ? `${gib.toFixed(1)} GiB` : formatSize(Math.round(bytes / 2 ** 20) * 2 ** 20);
}

import { accessSync, constants, readdirSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Debian keeps servers in folders that are not on every user's PATH. */
const usualFolders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
const postgresVersions = "/usr/lib/postgresql";

/**
 * Path of a program on PATH or in Debian's usual places. The bootstrap scripts look in the same places
 * (`scripts/find-program.mjs`); they run before anything is built and so cannot import this. `node` is the running one.
 */
export function findServer(name: string, path = process.env["PATH"] ?? ""): string | undefined {
  if (name === "node") return process.execPath;
  const folders = [...path.split(delimiter).filter(Boolean), ...postgresFolders(), ...usualFolders];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** Newest version first. */
function postgresFolders(): string[] {
  try {
    return readdirSync(postgresVersions)
      .sort((one, other) => Number(other) - Number(one))
      .map((version) => join(postgresVersions, version, "bin"));
  } catch {
    return [];
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

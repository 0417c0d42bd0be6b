import { accessSync, constants, readdirSync, statSync } from "node:fs";
import { delimiter, join } from "node:path";

/** Debian keeps servers in folders that are not on every user's PATH. */
const usualFolders = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
const postgresVersions = "/usr/lib/postgresql";

/**
 * Path of a program on PATH or in Debian's usual places.
 *
 * @param {string} name
 * @param {string} [path] a list of folders as in PATH
 * @returns {string | undefined}
 */
export function findProgram(name, path = process.env["PATH"] ?? "") {
  const folders = [...path.split(delimiter).filter(Boolean), ...postgresFolders(), ...usualFolders];
  return folders.map((folder) => join(folder, name)).find(isExecutable);
}

/** Newest version first. */
function postgresFolders() {
  try {
    return readdirSync(postgresVersions)
      .sort((one, other) => Number(other) - Number(one))
      .map((version) => join(postgresVersions, version, "bin"));
  } catch {
    return [];
  }
}

/** @param {string} file */
function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK);
    return statSync(file).isFile();
  } catch {
    return false;
  }
}

// npm leaves an optional package out of the lockfile when the registry at hand does not have it, and `npm ci` then
// refuses the lockfile everywhere. So every optional package, for whatever platform, must have its entry.

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { readJson } from "./workspaces.mjs";

/**
 * Optional packages that the lockfile names but does not hold.
 *
 * @param {{ packages: Record<string, { optionalDependencies?: Record<string, string> }> }} lock
 * @returns {string[]}
 */
export function findMissingPackages({ packages }) {
  const missing = [];
  for (const [path, { optionalDependencies = {} }] of Object.entries(packages)) {
    for (const [name, version] of Object.entries(optionalDependencies)) {
      if (!placesFor(path, name).some((place) => place in packages)) missing.push(`${name}@${version}`);
    }
  }
  return missing;
}

/** Where a package at `path` finds `name`: below itself, then below each folder above. @param {string} path @param {string} name */
function placesFor(path, name) {
  const places = [];
  for (let folder = path; folder !== ""; folder = folder.slice(0, Math.max(0, folder.lastIndexOf("/")))) {
    places.push(`${folder}/node_modules/${name}`);
  }
  return [...places, `node_modules/${name}`];
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const missing = findMissingPackages(
    readJson(join(dirname(dirname(fileURLToPath(import.meta.url))), "package-lock.json")),
  );
  for (const name of missing) console.log(`package-lock.json has no entry for ${name}`);
  if (missing.length > 0) process.exitCode = 1;
}

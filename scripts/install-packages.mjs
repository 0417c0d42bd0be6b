import { readFileSync } from "node:fs";
import { join } from "node:path";
import { runCommand } from "./run-command.mjs";
import { showProgress } from "./show-progress.mjs";

/**
 * Makes `node_modules` agree with the lockfile. Does nothing when it does already, so a working tree in which somebody
 * ran `npm install` stays as it is.
 *
 * @param {string} root
 */
export async function ensurePackages(root) {
  const problem = packagesProblem(readLock(join(root, "package-lock.json")), readInstalled(root));
  if (!problem) return;
  await showProgress({ begin: `Installing npm packages (${problem})`, done: "npm packages installed" }, async () => {
    // The compiler is a development dependency, so these come along whatever NODE_ENV says.
    const { exitCode, output } = await runCommand("npm", ["ci", "--include=dev", "--loglevel=error"], { cwd: root });
    if (exitCode !== 0) throw new Error(`npm ci failed with exit code ${exitCode}:\n${output.trimEnd()}`);
  });
}

/**
 * @typedef {{ version?: string, integrity?: string, link?: boolean, optional?: boolean, devOptional?: boolean, optionalDependencies?: Record<string, string> }} LockedPackage
 * @typedef {{ packages?: Record<string, LockedPackage> }} Lock
 */

/**
 * Why the installed packages differ from the locked ones; empty when they do not.
 *
 * @param {Lock} locked content of `package-lock.json`
 * @param {Lock | undefined} installed content of `node_modules/.package-lock.json`, which npm writes last
 */
export function packagesProblem(locked, installed) {
  if (!installed) return "first start";
  const packages = Object.entries(locked.packages ?? {});
  // What the compiler has to see, on every platform.
  const ownOptional = new Set(
    packages
      .filter(([path]) => !path.includes("node_modules/"))
      .flatMap(([, { optionalDependencies = {} }]) => Object.keys(optionalDependencies))
      .map((name) => `node_modules/${name}`),
  );
  for (const [path, wanted] of packages) {
    if (!path.includes("node_modules/")) continue;
    const found = installed.packages?.[path];
    // Optional packages of other platforms are locked but never installed.
    if (!found && (wanted.optional || wanted.devOptional) && !ownOptional.has(path)) continue;
    if (!found || found.version !== wanted.version || found.integrity !== wanted.integrity) {
      return `${path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length)} differs from the lockfile`;
    }
  }
  return "";
}

/** @param {string} path @returns {Lock} */
function readLock(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

/** @param {string} root */
function readInstalled(root) {
  try {
    return readLock(join(root, "node_modules", ".package-lock.json"));
  } catch {
    return undefined;
  }
}

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/**
 * @typedef {object} Workspace
 * @property {string} name as in its package.json
 * @property {string} folder relative to the root, with `/`
 * @property {boolean} published
 */

/** Every workspace of the repository, in the order the root names them. @param {string} root @returns {Workspace[]} */
export function readWorkspaces(root) {
  /** @type {{ workspaces: string[] }} */
  const { workspaces } = readJson(join(root, "package.json"));
  return workspaces
    .flatMap((pattern) => (pattern.endsWith("/*") ? subfolders(root, pattern.slice(0, -2)) : [pattern]))
    .filter((folder) => existsSync(join(root, folder, "package.json")))
    .map((folder) => {
      const manifest = readJson(join(root, folder, "package.json"));
      return { name: manifest.name, folder, published: manifest.private !== true };
    });
}

/** @param {string} root @param {string} folder */
function subfolders(root, folder) {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder)).map((name) => `${folder}/${name}`);
}

/** TypeScript files below `folder`, relative to the root, sorted. @param {string} root @param {string} folder */
export function sourceFiles(root, folder) {
  /** @type {string[]} */
  const files = [];
  for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory() && entry.name !== "node_modules" && entry.name !== "dist") {
      files.push(...sourceFiles(root, path));
    } else if (entry.isFile() && /\.tsx?$/.test(entry.name)) {
      files.push(path);
    }
  }
  return files.sort();
}

/** @param {string} path */
export function readJson(path) {
  return JSON.parse(readFileSync(path, "utf8"));
}

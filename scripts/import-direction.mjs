// Imports point down only: apps → services → packages. What stands beside these three (tests with real servers,
// benchmarks) lies on top, and only tests may import it.

import { readFileSync } from "node:fs";
import { dirname, join, relative, resolve, sep } from "node:path";
import { fileURLToPath } from "node:url";
import { readWorkspaces, sourceFiles } from "./workspaces.mjs";

/** @typedef {import("./workspaces.mjs").Workspace} Workspace */

const layers = ["packages", "services", "apps"];

/**
 * Every import that points up or sideways, as `file: reason`.
 *
 * @param {string} root
 * @returns {string[]}
 */
export function findWrongImports(root) {
  const workspaces = readWorkspaces(root);
  const findings = [];
  for (const from of workspaces) {
    for (const file of sourceFiles(root, from.folder)) {
      for (const specifier of importedSpecifiers(readFileSync(join(root, file), "utf8"))) {
        const reason = specifier.startsWith(".")
          ? whyPathIsWrong(root, from, file, specifier)
          : whyNameIsWrong(workspaces, from, file, specifier);
        if (reason) findings.push(`${file} imports ${specifier}: ${reason}`);
      }
    }
  }
  return findings;
}

/** @param {string} source @returns {string[]} */
function importedSpecifiers(source) {
  const pattern = /(?:\bfrom\s*|\bimport\s*\(?\s*)(["'])([^"'\n]+)\1/g;
  return [...source.matchAll(pattern)].map((match) => match[2] ?? "");
}

/** @param {string} root @param {Workspace} from @param {string} file @param {string} specifier */
function whyPathIsWrong(root, from, file, specifier) {
  const target = relative(join(root, from.folder), resolve(root, dirname(file), specifier));
  return target.split(sep)[0] === ".." ? "the path leaves its workspace" : "";
}

/** @param {readonly Workspace[]} workspaces @param {Workspace} from @param {string} file @param {string} specifier */
function whyNameIsWrong(workspaces, from, file, specifier) {
  const to = workspaces.find(({ name }) => specifier === name || specifier.startsWith(`${name}/`));
  if (!to || to === from) return "";
  const fromLayer = layerOf(from);
  const toLayer = layerOf(to);
  const isTest = /\.test\.tsx?$/.test(file);
  if (toLayer === layers.length && isTest) return "";
  if (toLayer > fromLayer) return `${from.folder} lies below ${to.folder}`;
  if (toLayer === fromLayer && layers[toLayer] === "services") return "services do not know each other";
  if (from.published && !to.published && !isTest) return "a published package cannot use a private one";
  return "";
}

/** @param {Workspace} workspace */
function layerOf(workspace) {
  const layer = layers.indexOf(workspace.folder.split("/")[0] ?? "");
  return layer < 0 ? layers.length : layer;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const findings = findWrongImports(dirname(dirname(fileURLToPath(import.meta.url))));
  for (const finding of findings) console.log(finding);
  if (findings.length > 0) process.exitCode = 1;
}

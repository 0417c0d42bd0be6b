import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { build } from "./build.mjs";
import { cataloguesOf, describeErrors } from "./describe-errors.mjs";
import { withFigures } from "./describe-figures.mjs";
import { describeRequirements, findProofs, findRunners } from "./describe-requirements.mjs";
import { ensurePackages } from "./install-packages.mjs";
import { refuseOldNode } from "./node-version.mjs";
import { runCommand } from "./run-command.mjs";
import { describeThirdParty, readThirdParty } from "./third-party.mjs";
import { readJson, readWorkspaces, sourceFiles } from "./workspaces.mjs";

// npm run docs [-- --check]: writes the generated documents, or says which ones are stale.

refuseOldNode();
const root = dirname(dirname(fileURLToPath(import.meta.url)));

await ensurePackages(root);
await build(root, join("apps", "server"));
const documents = {
  "docs/configuration.md": await configuration(),
  "docs/errors.md": await errors(),
  "docs/requirements.md": requirements(),
  "docs/third-party-licences.md": describeThirdParty(readThirdParty(root)),
  "README.md": withFigures(readText("README.md"), keptFigures()),
};

const check = process.argv.includes("--check");
const stale = Object.entries(documents).filter(([path, text]) => readText(path) !== text);
if (check) {
  for (const [path] of stale) console.log(`${path} is stale: run npm run docs`);
  if (stale.length > 0) process.exitCode = 1;
} else {
  for (const [path, text] of stale) {
    writeFileSync(join(root, path), text);
    console.log(`${path} written`);
  }
}

// The program writes its own catalogue, as any application's.
const catalogue = ["events", "graph", "--format", "markdown", "--out", "docs/events", "--sources", "services/**/*.ts"];
const { exitCode, output } = await runCommand(
  process.execPath,
  [join("apps", "server", "dist", "main.js"), ...catalogue, ...(check ? ["--check"] : [])],
  { cwd: root },
);
if (output !== "") console.log(output.trimEnd());
if (exitCode !== 0) process.exitCode = 1;

async function configuration() {
  const { configurationReference } = await importBuilt("apps/server/dist/config.js");
  return configurationReference();
}

async function errors() {
  const entries = readWorkspaces(root)
    .filter(({ folder }) => /^(packages|services)\//.test(folder))
    .map(({ folder }) => `${folder}/dist/index.js`)
    .concat("apps/server/dist/errors.js");
  const modules = await Promise.all(entries.map(importBuilt));
  // A package may pass on the catalogue of one below it.
  return describeErrors(new Set(modules.flatMap(cataloguesOf)));
}

function requirements() {
  const files = [...readWorkspaces(root).map(({ folder }) => folder), "scripts"].flatMap((folder) =>
    sourceFiles(root, folder),
  );
  const sources = Object.fromEntries(files.map((file) => [file, readText(file)]));
  const proofs = files.flatMap((file) => findProofs(file, sources[file] ?? ""));
  const sentences = readJson(join(root, "docs/requirements.json"));
  return describeRequirements(sentences, proofs, findRunners(sources, proofs));
}

function keptFigures() {
  const folder = join(root, "benchmarks/results");
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((name) => name.endsWith(".jsonl"))
    .flatMap((name) => readFileSync(join(folder, name), "utf8").split("\n"))
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

/** @param {string} path */
function importBuilt(path) {
  return import(pathToFileURL(join(root, path)).href);
}

/** @param {string} path */
function readText(path) {
  return existsSync(join(root, path)) ? readFileSync(join(root, path), "utf8") : "";
}

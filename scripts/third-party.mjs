import { readFileSync } from "node:fs";
import { join } from "node:path";
import { readJson, sourceFiles } from "./workspaces.mjs";

// What others wrote and we hand on: the packages that the server loads, and those in the dashboard's bundle.

/**
 * @typedef {object} ThirdPartyPackage
 * @property {string} name
 * @property {string} version
 * @property {string} licence SPDX expression; empty where the package says nothing
 * @property {string} integrity of the tarball, as in the lockfile
 *
 * @typedef {object} LockEntry
 * @property {string} [version]
 * @property {string} [license]
 * @property {string} [integrity]
 * @property {string} [resolved]
 * @property {boolean} [link]
 * @property {Record<string, string>} [dependencies]
 * @property {Record<string, string>} [optionalDependencies]
 *
 * @typedef {{ packages: Record<string, LockEntry> }} Lockfile
 */

/** SPDX ids under which anybody may run and hand on a program together with ours. */
const allowed = new Set([
  ...["0BSD", "Apache-2.0", "BlueOak-1.0.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MPL-2.0"],
  ...["OFL-1.1", "Python-2.0", "Unlicense", "Zlib"],
]);

/** Whether one of the choices of a simple SPDX expression is allowed. @param {string} licence */
export function isAllowed(licence) {
  return licence
    .replace(/^\((.*)\)$/, "$1")
    .split(" OR ")
    .some((choice) => choice.split(" AND ").every((id) => allowed.has(id)));
}

/** What this repository hands on. @param {string} root @returns {ThirdPartyPackage[]} */
export function readThirdParty(root) {
  return shippedPackages(readJson(join(root, "package-lock.json")), {
    "apps/server": undefined,
    "apps/dashboard": bundledNames(root, "apps/dashboard"),
  });
}

/**
 * The packages that workspaces need to run, each version once, by name.
 * @param {Lockfile} lock
 * @param {Record<string, readonly string[] | undefined>} roots by folder: names to begin with, or its dependencies
 * @returns {ThirdPartyPackage[]}
 */
export function shippedPackages({ packages }, roots) {
  /** @type {Map<string, ThirdPartyPackage>} */
  const found = new Map();
  /** @type {Set<string>} */
  const seen = new Set();
  /** @param {string} folder @param {readonly string[]} names */
  const visit = (folder, names) => {
    for (const name of names) {
      const path = locate(packages, folder, name);
      // An optional package of another platform may be absent.
      if (path === undefined || seen.has(path)) continue;
      seen.add(path);
      const entry = packages[path] ?? {};
      if (entry.link) {
        const target = entry.resolved ?? "";
        visit(target, needsOf(packages[target]));
        continue;
      }
      const { version = "", license = "", integrity = "" } = entry;
      found.set(`${name}@${version}`, { name, version, licence: license, integrity });
      visit(path, needsOf(entry));
    }
  };
  for (const [folder, names] of Object.entries(roots)) visit(folder, names ?? needsOf(packages[folder]));
  return [...found.values()].sort((a, b) => compare(a.name, b.name) || compare(a.version, b.version));
}

/** @param {string} a @param {string} b */
function compare(a, b) {
  return a < b ? -1 : Number(a > b);
}

/** @param {LockEntry} [entry] */
function needsOf({ dependencies = {}, optionalDependencies = {} } = {}) {
  return [...Object.keys(dependencies), ...Object.keys(optionalDependencies)];
}

/** Where Node finds a package from a folder. @param {Lockfile["packages"]} packages @param {string} folder @param {string} name */
function locate(packages, folder, name) {
  for (let place = folder; ; place = place.slice(0, Math.max(0, place.lastIndexOf("/")))) {
    const path = place === "" ? `node_modules/${name}` : `${place}/node_modules/${name}`;
    if (path in packages) return path;
    if (place === "") return undefined;
  }
}

/** Packages that the sources of a bundle import. @param {string} root @param {string} folder */
function bundledNames(root, folder) {
  /** @type {Set<string>} */
  const names = new Set();
  for (const file of sourceFiles(root, folder)) {
    if (/\.test\.tsx?$|\.d\.ts$|\/vite[^/]*\.ts$/.test(file)) continue;
    for (const [, specifier = ""] of readFileSync(join(root, file), "utf8").matchAll(
      /\b(?:from|import)\s*\(?"([^".][^"]*)"/g,
    ))
      names.add(
        specifier
          .split("/")
          .slice(0, specifier.startsWith("@") ? 2 : 1)
          .join("/"),
      );
  }
  return [...names].filter((name) => !name.startsWith("@signalbox/") && !name.startsWith("node:"));
}

/** `docs/third-party-licences.md`. @param {readonly ThirdPartyPackage[]} packages */
export function describeThirdParty(packages) {
  /** @type {Map<string, ThirdPartyPackage[]>} */
  const byLicence = new Map();
  for (const one of packages) byLicence.set(one.licence, [...(byLicence.get(one.licence) ?? []), one]);
  const sections = [...byLicence]
    .sort(([a], [b]) => compare(a, b))
    .map(([licence, members]) =>
      [
        `## ${licence || "No licence stated"}`,
        members.map(({ name, version }) => `- ${name} ${version}`).join("\n"),
      ].join("\n\n"),
    );
  return `${[
    "# What others wrote",
    "Generated by `npm run docs` from the lockfile: the packages that the server loads and those in the dashboard's bundle. A check refuses licences that forbid running or handing on the whole. `npm run sbom` prints the same as CycloneDX.",
    ...sections,
  ].join("\n\n")}\n`;
}

/**
 * A bill of materials in CycloneDX 1.5 JSON; the same packages give the same bytes.
 * @param {readonly ThirdPartyPackage[]} packages
 * @param {{ name: string, version: string, license: string }} product
 */
export function billOfMaterials(packages, product) {
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.5",
    version: 1,
    metadata: {
      component: {
        type: "application",
        "bom-ref": `${product.name}@${product.version}`,
        name: product.name,
        version: product.version,
        licenses: [{ license: { id: product.license } }],
      },
    },
    components: packages.map(({ name, version, licence, integrity }) => {
      const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
      const [algorithm = "", hash = ""] = integrity.split("-", 2);
      return {
        type: "library",
        "bom-ref": purl,
        name,
        version,
        purl,
        licenses: [/ (OR|AND) /.test(licence) ? { expression: licence } : { license: { id: licence } }],
        ...(algorithm === "sha512" && {
          hashes: [{ alg: "SHA-512", content: Buffer.from(hash, "base64").toString("hex") }],
        }),
      };
    }),
  };
}

import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { billOfMaterials, readThirdParty } from "./third-party.mjs";
import { readJson } from "./workspaces.mjs";

// npm run sbom: the bill of materials on standard output.

const root = dirname(dirname(fileURLToPath(import.meta.url)));
console.log(JSON.stringify(billOfMaterials(readThirdParty(root), readJson(join(root, "package.json"))), null, 2));

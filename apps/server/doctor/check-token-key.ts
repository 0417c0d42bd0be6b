import { statSync } from "node:fs";
import { join } from "node:path";
import { dataPaths } from "../data-paths.js";
import { type Check, ok, warning } from "./finding.js";

/** As `createTokenKey` names it. */
const fileName = "token-key.json";

/** Who can read the key can make tokens. */
export const checkTokenKey: Check = async ({ config }) => {
  const path = join(dataPaths(config).directory, fileName);
  const found = statSync(path, { throwIfNoEntry: false });
  const subject = "token key";
  if (!found) return [ok(subject, "the key will be made by the first start")];
  const mode = found.mode & 0o777;
  if ((mode & 0o077) === 0) return [ok(subject, `${path} is readable by its owner alone`)];
  const message = `${path} is readable by other users (mode ${mode.toString(8)})`;
  return [warning(subject, message, `chmod 600 ${path}; when others may have read it, remove it and make new tokens.`)];
};

import { createHash } from "node:crypto";

const dnsLabel = /^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$/;
const maxLength = 63;

/**
 * The name of an object of an experience: its id with hyphens, and what the object is. No id has a hyphen, so that hyphens
 * lead back to the id. An id that is too long, or would end in a hyphen, is cut and told apart by a hash; its label
 * has the whole id.
 */
export function objectName(id: string, kind?: string): string {
  const suffix = kind === undefined ? "" : `-${kind}`;
  const name = `${id.replaceAll("_", "-")}${suffix}`;
  if (dnsLabel.test(name)) return name;
  const end = `-${createHash("sha256").update(id).digest("hex").slice(0, 10)}${suffix}`;
  return `${id.replaceAll("_", "-").slice(0, maxLength - end.length)}${end}`;
}

/** Values of labels are at most this long, which is one character less than the longest id. */
export function fitsLabel(value: string): boolean {
  return value.length <= maxLength;
}

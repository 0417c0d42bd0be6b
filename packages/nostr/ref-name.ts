/** What git allows nowhere in the name of a ref. */
const forbidden = /[\p{Cc} ~^:?*[\\]|\.\.|@\{|\/\//u;

/** Whether git would take this as the full name of a ref, as `refs/heads/main`. */
export function isRefName(name: string): boolean {
  if (forbidden.test(name) || name.endsWith("/") || name.endsWith(".")) return false;
  const parts = name.split("/");
  return parts.length > 1 && parts.every((part) => part !== "" && !/^[.-]|\.lock$/.test(part));
}

/** A branch or a tag. */
export function isBranchOrTag(name: string): boolean {
  return /^refs\/(heads|tags)\/./.test(name) && isRefName(name);
}

const objectIdPattern = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** SHA-1 or SHA-256 as lower-case hex. */
export function isObjectId(text: string): boolean {
  return objectIdPattern.test(text);
}

/** Two refs of which one would have to be a file and a directory at once, if there are any. */
export function findPathConflict(names: Iterable<string>): [string, string] | undefined {
  const all = new Set(names);
  for (const name of all) {
    for (let end = name.lastIndexOf("/"); end > 0; end = name.lastIndexOf("/", end - 1)) {
      const parent = name.slice(0, end);
      if (all.has(parent)) return [parent, name];
    }
  }
  return undefined;
}

const namelessFunctions = new Set([
  "?",
  "<anonymous>",
  "<anonymous function>",
  "Anonymous function",
  "anonymous",
  // Safari and Edge name the code outside of any function.
  "global code",
  "Global code",
  "module code",
  "",
]);
const namelessPaths = /^(?:\[native code\]|native code|eval code|<anonymous>|index \d+)$/;

/**
 * A JavaScript function as every engine would call it, undefined when it has no name. Engines differ in whether they say
 * that a function is called as constructor, asynchronously, by another name, or is a getter.
 */
export function scriptFunction(name: string): string | undefined {
  const bare = name.replace(/^(?:async\*?|new)\s+|^[A-Za-z. ]{1,60}\*/, "").replace(/ \[as [^\]]*\]$/, "");
  const last = bare.slice(bare.lastIndexOf(".") + 1).replace(/^[gs]et (?=\S)/, "");
  // Firefox names a function without name after what it becomes a part of.
  return namelessFunctions.has(last) || last.endsWith("<") ? undefined : last;
}

/** No file: code of the engine itself or of `eval`, and which one of the promises given to `Promise.all` failed. */
export function isNamelessScript(path: string | undefined): boolean {
  return path !== undefined && namelessPaths.test(path);
}

/** Without the query that makes a development server or an import send the file once more. */
export function scriptPath(path: string): string {
  return path.replace(/[?#].*$/s, "");
}

/**
 * Behind the name that people gave: hex of webpack and others, or eight characters of Vite, Rollup and esbuild, which look
 * like no word with a number.
 */
const buildHash =
  /[.-](?:(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,64}|(?![A-Z]?[a-z]+\d+(?:\.|$))(?=[\w-]{0,7}\d)(?=[\w-]{0,7}[A-Z])[\w-]{8})(?=(?:\.[a-z]{2,10}){0,3}$)/;

/** A bundler puts a hash of the content into the names of files, so each build has other ones. */
export function withoutBuildHash(name: string): string {
  return name.replace(buildHash, "");
}

import { readFileSync } from "node:fs";
import { isNode, LineCounter, parseDocument } from "yaml";
import { errorCode } from "../errors.js";
import type { ConfigProblem } from "./config-error.js";

/** Where a value comes from. */
export type ConfigSource =
  | { readonly kind: "default" }
  | { readonly kind: "file"; readonly path: string; readonly line: number | undefined }
  | { readonly kind: "variable"; readonly name: string }
  | { readonly kind: "flag"; readonly name: string };

export function describeSource(source: ConfigSource): string {
  if (source.kind === "default") return "default";
  if (source.kind === "file") return source.line === undefined ? source.path : `${source.path}:${source.line}`;
  return source.name;
}

/** The content of a YAML file: values as plain data, and the line of each key. */
export interface ConfigFile {
  readonly path: string;
  readonly content: unknown;
  lineOf(keys: readonly string[]): number | undefined;
}

/** Larger than any configuration, smaller than what would hurt. */
const maxFileBytes = 4 * 2 ** 20;

/** The file's content; `undefined` after reporting why there is none, or when an optional file is absent. */
export function readConfigFile(
  file: { readonly path: string; readonly optional: boolean },
  report: (problem: ConfigProblem) => void,
): ConfigFile | undefined {
  const { path } = file;
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    if (errorCode(error) !== "ENOENT" || !file.optional) {
      report({ key: "", source: path, expected: `cannot be read (${errorCode(error) ?? "unreadable"})` });
    }
    return undefined;
  }
  if (text.length > maxFileBytes) {
    report({ key: "", source: path, expected: `expected at most ${maxFileBytes} characters` });
    return undefined;
  }
  return parseConfigFile(path, text, report);
}

function parseConfigFile(path: string, text: string, report: (problem: ConfigProblem) => void): ConfigFile | undefined {
  const lineCounter = new LineCounter();
  // The parser's own texts quote the file, which may hold secrets: only its error codes and lines are passed on.
  const document = parseDocument(text, { lineCounter, logLevel: "error" });
  for (const { code, pos } of document.errors) {
    const { line } = lineCounter.linePos(pos[0]);
    report({
      key: "",
      source: `${path}:${line}`,
      expected: `is no valid YAML (${code.toLowerCase().replaceAll("_", " ")})`,
    });
  }
  if (document.errors.length > 0) return undefined;
  let content: unknown;
  try {
    content = document.toJS({ maxAliasCount: 100 });
  } catch {
    report({ key: "", source: path, expected: "expected YAML without unknown or endless aliases" });
    return undefined;
  }
  return {
    path,
    content: content ?? {},
    lineOf(keys) {
      const node = document.getIn(keys, true);
      return isNode(node) && node.range ? lineCounter.linePos(node.range[0]).line : undefined;
    },
  };
}

import { readFileSync } from "node:fs";
import { join, posix } from "node:path";
import { parseSync } from "oxc-parser";
import type { PublishSite } from "./catalogue.js";
import { listFiles } from "./list-files.js";

export interface PublishSiteOptions {
  /** The folder that globs and results are relative to. */
  readonly root: string;
  /** `*` stands for a part of a name, `**` for any folders, `{a,b}` for either. Tests and built files are left out. */
  readonly sources: readonly string[];
}

/** What one file says about events. */
interface ParsedFile {
  readonly path: string;
  /** Event types by the name of the constant that holds their definition. */
  readonly definitions: ReadonlyMap<string, string>;
  /** Every call of `defineEvent` with the type as a text. */
  readonly defined: readonly { readonly type: string; readonly line: number }[];
  readonly imports: ReadonlyMap<string, Import>;
  /** Calls of `NAME.create(…)`, or `SPACE.NAME.create(…)`. */
  readonly creations: readonly { readonly name: string; readonly space: string | undefined; readonly line: number }[];
}

interface Import {
  readonly from: string;
  /** `*` for the whole module. */
  readonly name: string;
}

/**
 * Finds where events are made: calls of `create` on a constant that `defineEvent` made, in the same file or imported.
 * Syntax is all that is looked at. By event type. @throws {SyntaxError} naming the file that cannot be parsed.
 */
export function findPublishSites(options: PublishSiteOptions): ReadonlyMap<string, readonly PublishSite[]> {
  const files = new Map(listFiles(options.root, options.sources).map((path) => [path, parse(options.root, path)]));
  const sites = new Map<string, PublishSite[]>();
  for (const file of files.values()) {
    for (const { name, space, line } of file.creations) {
      const type = space === undefined ? typeOf(name, file, files) : typeIn(file.imports.get(space), name, file, files);
      if (type === undefined) continue;
      const found = sites.get(type);
      const site = { file: file.path, line };
      if (found) found.push(site);
      else sites.set(type, [site]);
    }
  }
  return sites;
}

/**
 * Finds where events are defined: calls of `defineEvent` whose first argument is a text. By event type; a type with
 * several places is defined more than once. @throws {SyntaxError} naming the file that cannot be parsed.
 */
export function findDefinitionSites({
  root,
  sources,
}: PublishSiteOptions): ReadonlyMap<string, readonly PublishSite[]> {
  const sites = new Map<string, PublishSite[]>();
  for (const path of listFiles(root, sources)) {
    for (const { type, line } of parse(root, path).defined) {
      const found = sites.get(type);
      if (found) found.push({ file: path, line });
      else sites.set(type, [{ file: path, line }]);
    }
  }
  return sites;
}

type Files = ReadonlyMap<string, ParsedFile>;

function typeOf(name: string, file: ParsedFile, files: Files): string | undefined {
  const imported = file.imports.get(name);
  return file.definitions.get(name) ?? (imported && typeIn(imported, imported.name, file, files));
}

/** The event that a module exports under a name. Where it passes on what another one defines, the name tells. */
function typeIn(imported: Import | undefined, name: string, file: ParsedFile, files: Files): string | undefined {
  if (!imported) return undefined;
  if (imported.from.startsWith(".")) {
    const path = posix.join(posix.dirname(file.path), imported.from);
    for (const candidate of [path, path.replace(/\.(m?)js$/, ".$1ts"), `${path}.ts`, `${path}/index.ts`]) {
      const type = files.get(candidate)?.definitions.get(name);
      if (type !== undefined) return type;
    }
  }
  const types = new Set([...files.values()].flatMap(({ definitions }) => definitions.get(name) ?? []));
  const [only] = types;
  return types.size === 1 ? only : undefined;
}

function parse(root: string, path: string): ParsedFile {
  const source = readFileSync(join(root, path), "utf8");
  const { program, errors } = parseSync(path, source);
  const [error] = errors;
  if (error) throw new SyntaxError(`${path} cannot be parsed: ${error.message}`);
  const definitions = new Map<string, string>();
  const defined: { type: string; line: number }[] = [];
  const imports = new Map<string, Import>();
  const creations: { name: string; space: string | undefined; line: number }[] = [];
  for (const node of nodesOf(program)) {
    if (node["type"] === "ImportDeclaration") for (const [local, from] of importsOf(node)) imports.set(local, from);
    else if (node["type"] === "VariableDeclarator") {
      const name = identifier(node["id"]);
      const type = definedType(node["init"]);
      if (name !== undefined && type !== undefined) definitions.set(name, type);
    } else if (node["type"] === "CallExpression") {
      const line = (): number => lineOf(source, Number(node["start"]));
      const type = definitionType(node);
      if (type !== undefined) defined.push({ type, line: line() });
      const created = createdBy(node["callee"]);
      if (created) creations.push({ ...created, line: line() });
    }
  }
  return { path, definitions, defined, imports, creations };
}

type Node = Readonly<Record<string, unknown>>;

/** Every node below and including this one. */
function* nodesOf(value: unknown): Generator<Node> {
  if (Array.isArray(value)) for (const item of value) yield* nodesOf(item);
  else if (isNode(value)) {
    yield value;
    for (const child of Object.values(value)) if (typeof child === "object") yield* nodesOf(child);
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value;
}

function* importsOf(node: Node): Generator<readonly [string, Import]> {
  const from = literal(node["source"]);
  if (from === undefined || !Array.isArray(node["specifiers"])) return;
  for (const specifier of node["specifiers"].filter(isNode)) {
    const local = identifier(specifier["local"]);
    if (local === undefined) continue;
    const whole = specifier["type"] === "ImportNamespaceSpecifier";
    yield [local, { from, name: whole ? "*" : (identifier(specifier["imported"]) ?? "default") }];
  }
}

/** The type of the first `defineEvent("…")` in an expression; it may be wrapped, as in `registry.register(…)`. */
function definedType(init: unknown): string | undefined {
  for (const node of nodesOf(init)) {
    if (isDefinition(node)) return definitionType(node);
  }
  return undefined;
}

function isDefinition(node: Node): boolean {
  return node["type"] === "CallExpression" && identifier(node["callee"]) === "defineEvent";
}

function definitionType(node: Node): string | undefined {
  return isDefinition(node) && Array.isArray(node["arguments"]) ? literal(node["arguments"][0]) : undefined;
}

function createdBy(callee: unknown): { readonly name: string; readonly space: string | undefined } | undefined {
  if (!isNode(callee) || callee["type"] !== "MemberExpression" || identifier(callee["property"]) !== "create")
    return undefined;
  const { object } = callee;
  const name = identifier(object);
  if (name !== undefined) return { name, space: undefined };
  if (!isNode(object) || object["type"] !== "MemberExpression") return undefined;
  const space = identifier(object["object"]);
  const member = identifier(object["property"]);
  return space === undefined || member === undefined ? undefined : { name: member, space };
}

function identifier(value: unknown): string | undefined {
  return isNode(value) && value["type"] === "Identifier" && typeof value["name"] === "string"
    ? value["name"]
    : undefined;
}

function literal(value: unknown): string | undefined {
  return isNode(value) && value["type"] === "Literal" && typeof value["value"] === "string"
    ? value["value"]
    : undefined;
}

function lineOf(source: string, offset: number): number {
  return source.slice(0, offset).split("\n").length;
}

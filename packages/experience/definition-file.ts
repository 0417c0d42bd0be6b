import { type Document, isScalar, LineCounter, parseDocument, visit } from "yaml";
import {
  type DefinitionFault,
  type DefinitionOptions,
  type DefinitionReading,
  parseDefinition,
  reservedIdPrefix,
} from "./definition.js";

const fileNamePattern = /^([^.].*)\.ya?ml$/;

/** The id that a file of this name defines; `undefined` for names that are no definition files. */
export function definitionIdOf(fileName: string): string | undefined {
  return fileNamePattern.exec(fileName)?.[1];
}

/** Reads the text of one definition file. JSON is YAML too. Never throws. */
export function parseDefinitionFile(
  fileName: string,
  text: string,
  options: DefinitionOptions = {},
): DefinitionReading {
  const id = definitionIdOf(fileName) ?? "";
  if (id.startsWith(reservedIdPrefix))
    return invalid({ field: "", message: `Ids that begin with ${reservedIdPrefix} are reserved` });
  const content = parseYaml(text);
  if (content.kind === "failed") return invalid({ field: "", message: content.message });
  return parseDefinition(id, content.value, options);
}

type YamlReading =
  | { readonly kind: "parsed"; readonly value: unknown }
  | { readonly kind: "failed"; readonly message: string };

/** More of them make nothing shorter that people write; each is looked for in all that stands before it. */
const maxAliases = 100;

/**
 * Reads one YAML document, in a time that grows with its length alone. Never throws, also not for documents that grow
 * without bound through aliases.
 */
export function parseYaml(text: string): YamlReading {
  try {
    const lines = new LineCounter();
    // The parser's own search for repeated keys compares each with all before it: some thousand of them took seconds.
    const document = parseDocument(text, { logLevel: "silent", uniqueKeys: false, lineCounter: lines });
    const [error] = document.errors;
    const message = error ? firstLine(error.message) : faultOf(document, lines);
    if (message !== undefined) return { kind: "failed", message };
    return { kind: "parsed", value: document.toJS({ maxAliasCount: maxAliases }) };
  } catch (error) {
    return { kind: "failed", message: firstLine(error instanceof Error ? error.message : String(error)) };
  }
}

/** What is wrong with a document that could be parsed. */
function faultOf(document: Document.Parsed, lines: LineCounter): string | undefined {
  let fault: string | undefined;
  let aliases = 0;
  visit(document, {
    Alias() {
      if (++aliases <= maxAliases) return undefined;
      fault = `More than ${maxAliases} aliases`;
      return visit.BREAK;
    },
    Map(_, { items }) {
      const keys = new Set<unknown>();
      for (const { key } of items) {
        const name = isScalar(key) ? key.value : key;
        if (keys.has(name)) {
          const start = isScalar(key) ? key.range?.[0] : undefined;
          fault = `Map keys must be unique${start === undefined ? "" : ` at line ${lines.linePos(start).line}`}`;
          return visit.BREAK;
        }
        keys.add(name);
      }
      return undefined;
    },
  });
  return fault;
}

/** What follows is an excerpt of the file. */
function firstLine(message: string): string {
  return message.split("\n", 1)[0]?.replace(/:$/, "") ?? "";
}

function invalid(fault: DefinitionFault): DefinitionReading {
  return { kind: "invalid", errors: [fault], warnings: [] };
}

import { parseDocument } from "yaml";
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

/** Reads one YAML document. Never throws, also not for documents that grow without bound through aliases. */
export function parseYaml(text: string): YamlReading {
  try {
    const document = parseDocument(text, { logLevel: "silent", uniqueKeys: true });
    const [error] = document.errors;
    if (error) return { kind: "failed", message: firstLine(error.message) };
    return { kind: "parsed", value: document.toJS({ maxAliasCount: 100 }) };
  } catch (error) {
    return { kind: "failed", message: firstLine(error instanceof Error ? error.message : String(error)) };
  }
}

/** What follows is an excerpt of the file. */
function firstLine(message: string): string {
  return message.split("\n", 1)[0]?.replace(/:$/, "") ?? "";
}

function invalid(fault: DefinitionFault): DefinitionReading {
  return { kind: "invalid", errors: [fault], warnings: [] };
}

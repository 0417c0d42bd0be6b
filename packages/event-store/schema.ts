import { errorMessage } from "@signalbox/kernel";
import { Ajv, type ErrorObject, type Options, type ValidateFunction } from "ajv";
import { Ajv2020 } from "ajv/dist/2020.js";
import addFormatsModule from "ajv-formats";

/** One place where a schema or data is wrong. */
export interface SchemaProblem {
  /** JSON Pointer into what was checked. */
  readonly pointer: string;
  readonly keyword: string;
  readonly message: string;
}

export type Dialect = "draft-07" | "2020-12";

export type CompiledSchema =
  | { readonly state: "valid"; readonly dialect: Dialect; readonly validate: (data: unknown) => SchemaProblem[] | null }
  | { readonly state: "invalid"; readonly problems: readonly SchemaProblem[] };

export const maxProblems = 20;

const dialectUris: Readonly<Record<string, Dialect>> = {
  "http://json-schema.org/draft-07/schema": "draft-07",
  "https://json-schema.org/draft/2020-12/schema": "2020-12",
};

/** Keywords that only the newer dialect has: one of them tells which is meant when `$schema` does not. */
const newerKeywords = [
  "prefixItems",
  "$defs",
  "dependentRequired",
  "dependentSchemas",
  "unevaluatedProperties",
  "unevaluatedItems",
];

// The package is CommonJS and its default export is the module itself under Node's interoperation.
const addFormats = addFormatsModule.default;

const ajvOptions: Options = {
  allErrors: true,
  // Unknown keywords are annotations. Unknown formats are found by `readKeywords`.
  strict: false,
  logger: false,
  // A property may be called `constructor`; what every object inherits is no data.
  ownProperties: true,
  // Two definitions may carry the same `$id`, and none may refer to the other.
  addUsedSchema: false,
};

const instances = new Map<Dialect, Ajv>();

/** One instance for each dialect in a process: each loads its meta-schema, which takes far longer than a schema. */
function ajvFor(dialect: Dialect): Ajv {
  const existing = instances.get(dialect);
  if (existing) return existing;
  const ajv = dialect === "draft-07" ? new Ajv(ajvOptions) : new Ajv2020(ajvOptions);
  addFormats(ajv);
  instances.set(dialect, ajv);
  return ajv;
}

/** Checks the schema against its meta-schema and compiles it. Never throws. */
export function compileSchema(schema: object): CompiledSchema {
  try {
    return compileReadable(schema);
  } catch (error) {
    // A getter, a proxy, or no end to it.
    return invalid([{ pointer: "", keyword: "schema", message: `could not be read: ${errorMessage(error)}` }]);
  }
}

function compileReadable(schema: object): CompiledSchema {
  const keywords = readKeywords(schema);
  const dialect = dialectOf(schema, keywords.names);
  if (!dialect)
    return invalid([{ pointer: "/$schema", keyword: "$schema", message: "must be the URI of draft-07 or 2020-12" }]);
  const ajv = ajvFor(dialect);
  const problems = [...keywords.problems];
  for (const [pointer, format] of keywords.formats) {
    if (!Object.hasOwn(ajv.formats, format))
      problems.push({ pointer, keyword: "format", message: `unknown format "${format}"` });
  }
  if (problems.length > 0) return invalid(problems);
  try {
    if (ajv.validateSchema(schema) !== true) return invalid((ajv.errors ?? []).map(toProblem));
    // Without an id Ajv cannot find the schema that `#` refers to. It keeps none of them, so one id does for all.
    const validate = ajv.compile({ $id: "urn:signalbox:schema", ...schema });
    return { state: "valid", dialect, validate: (data) => (validate(data) ? null : problemsOf(validate)) };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    return invalid([{ pointer: "", keyword: message.includes("reference") ? "$ref" : "schema", message }]);
  }
}

function invalid(problems: readonly SchemaProblem[]): CompiledSchema {
  return { state: "invalid", problems: problems.slice(0, maxProblems) };
}

function problemsOf(validate: ValidateFunction): SchemaProblem[] {
  return (validate.errors ?? []).slice(0, maxProblems).map(toProblem);
}

/** Only Ajv's own text is taken over: it names limits and property names, never a value of the data. */
function toProblem(error: ErrorObject): SchemaProblem {
  const extra: unknown = error.params["additionalProperty"] ?? error.params["unevaluatedProperty"];
  const message = error.message ?? "is not valid";
  return {
    pointer: error.instancePath,
    keyword: error.keyword,
    message: typeof extra === "string" ? `${message} (${extra})` : message,
  };
}

function dialectOf(schema: object, keywordNames: ReadonlySet<string>): Dialect | undefined {
  const uri: unknown = "$schema" in schema ? schema.$schema : undefined;
  if (uri === undefined) return newerKeywords.some((keyword) => keywordNames.has(keyword)) ? "2020-12" : "draft-07";
  return typeof uri === "string" ? dialectUris[uri.replace(/#$/, "")] : undefined;
}

interface Keywords {
  readonly names: Set<string>;
  /** Pointer and name of each `format`. */
  readonly formats: (readonly [pointer: string, format: string])[];
  readonly problems: SchemaProblem[];
}

/** Keywords whose members are names chosen by the author, each with a schema. */
const namedSchemas = new Set(["properties", "patternProperties", "$defs", "definitions", "dependentSchemas"]);
/** Keywords that hold data, not schemas. */
const dataKeywords = new Set(["enum", "const", "default", "examples"]);

/** What Ajv does not tell in this mode: which keywords occur, unknown formats, and references to other documents. */
function readKeywords(root: object): Keywords {
  const found: Keywords = { names: new Set(), formats: [], problems: [] };
  const seen = new Set<object>();
  const visit = (schema: unknown, pointer: string): void => {
    if (typeof schema !== "object" || schema === null || seen.has(schema)) return;
    seen.add(schema);
    for (const [keyword, value] of Object.entries(schema)) {
      const place = `${pointer}/${keyword}`;
      if (!Array.isArray(schema)) found.names.add(keyword);
      if (keyword === "format" && typeof value === "string") found.formats.push([place, value]);
      if (keyword === "$ref" && typeof value === "string" && !value.startsWith("#"))
        found.problems.push({ pointer: place, keyword, message: "must refer to a place in the same schema" });
      if (dataKeywords.has(keyword)) continue;
      if (namedSchemas.has(keyword) && typeof value === "object" && value !== null) {
        for (const [name, member] of Object.entries(value)) visit(member, `${place}/${name}`);
      } else visit(value, place);
    }
  };
  visit(root, "");
  return found;
}

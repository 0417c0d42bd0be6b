import createSerializerFactory from "@fastify/fast-json-stringify-compiler";
import { Ajv2020, type ErrorObject, type Options, type ValidateFunction } from "ajv/dist/2020.js";
import formats from "ajv-formats";
import type { FastifyServerOptions } from "fastify";
import { HttpSetupError } from "./errors.js";
import { checkOfNumbers } from "./parameter-numbers.js";
import { HttpProblem, type ProblemItem } from "./problems.js";

/** Most faults that one answer lists. */
const maxItems = 20;

/** What happens to an answer that does not match its route's schema. */
export type MismatchRule = "refuse" | { readonly report: (error: HttpSetupError) => void };

/**
 * When the code that checks requests and writes answers is generated from the schemas of the routes: that is half of what
 * a start costs with hundreds of routes, most of which one process never serves. `at-start` finds a schema that cannot be
 * compiled before anybody is served.
 */
export type SchemaCompilation = "at-start" | "when-used";

type SchemaController = NonNullable<FastifyServerOptions["schemaController"]>;

/**
 * One dialect for everything that `/openapi.json` shows: JSON Schema 2020-12, as OpenAPI 3.1 has it. Parameters are
 * strings on the wire and are converted; bodies are taken as they are. Unknown keywords do not start.
 */
export function createSchemaController(onMismatch: MismatchRule, compilation: SchemaCompilation): SchemaController {
  return {
    compilersFactory: {
      // Fastify calls it with the route, as its documentation says; its type says with the bare schema.
      buildValidator: ((sharedSchemas: unknown) =>
        buildValidator(sharedSchemas, compilation)) as unknown as NonNullable<CompilersFactory["buildValidator"]>,
      buildSerializer: (sharedSchemas) => {
        const answers = createAjv(sharedSchemas, {});
        const compile = createSerializerFactory()(sharedSchemas);
        return (route) => {
          const compiled = madeOnce(compilation, () => ({
            serialize: compile(route),
            validate: answers.compile(asSchema(route.schema)),
          }));
          return (value: unknown) => {
            const { serialize, validate } = compiled();
            if (!validate(value)) handleMismatch(onMismatch, `${route.method} ${route.url}`, validate);
            return serialize(value);
          };
        };
      },
    },
  };
}

type CompilersFactory = NonNullable<SchemaController["compilersFactory"]>;

type Checked = { readonly value: unknown } | { readonly error: HttpProblem };

function buildValidator(
  sharedSchemas: unknown,
  compilation: SchemaCompilation,
): (part: { schema: unknown; httpPart: string }) => (value: unknown) => Checked {
  const parameters = createAjv(sharedSchemas, { coerceTypes: "array", allErrors: true });
  const bodies = createAjv(sharedSchemas, {});
  return ({ schema, httpPart }) => {
    const inBody = httpPart === "body";
    const compiled = madeOnce(compilation, () => (inBody ? bodies : parameters).compile(asSchema(schema)));
    const prefix = inBody ? "" : `/${partNames[httpPart] ?? httpPart}`;
    const numbers = inBody ? undefined : checkOfNumbers(schema);
    return (value) => {
      const validate = compiled();
      const faultsOf = numbers && isRecord(value) ? numbers(value) : undefined;
      if (validate(value)) {
        const faults = faultsOf && isRecord(value) ? faultsOf(value) : [];
        if (faults.length === 0) return { value };
        const errors = faults.map((fault) => ({ ...fault, pointer: `${prefix}${fault.pointer}` }));
        return { error: new HttpProblem("invalid_parameter", { errors }) };
      }
      // An absent body reaches validators as null.
      if (inBody && value === null) return { error: new HttpProblem("empty_body") };
      return { error: invalidParameter(validate.errors ?? [], prefix) };
    };
  };
}

function madeOnce<T>(compilation: SchemaCompilation, make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  const get = (): T => {
    made ??= { value: make() };
    return made.value;
  };
  if (compilation === "at-start") get();
  return get;
}

const partNames: Readonly<Record<string, string>> = { querystring: "query", params: "path", headers: "headers" };

function createAjv(sharedSchemas: unknown, options: Options): Ajv2020 {
  const ajv = new Ajv2020({
    strict: true,
    strictTypes: false,
    strictRequired: false,
    allowUnionTypes: true,
    useDefaults: true,
    addUsedSchema: false,
    // Compiling the dialect's own schema costs most of a start; tests validate the whole document that the routes make.
    validateSchema: false,
    // OpenAPI's own annotations of parameters and media types.
    keywords: ["example", "style", "explode", "headers"],
    ...options,
  });
  formats.default(ajv);
  if (isRecord(sharedSchemas)) for (const schema of Object.values(sharedSchemas)) ajv.addSchema(asSchema(schema));
  return ajv;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

function asSchema(schema: unknown): Record<string, unknown> | boolean {
  if (typeof schema === "boolean" || isRecord(schema)) return schema;
  throw new TypeError("A schema is an object or a boolean.");
}

function handleMismatch(rule: MismatchRule, route: string, validate: ValidateFunction): void {
  const places = itemsOf(validate.errors ?? [], "").map((item) => `${item.pointer || "/"} ${item.message}`);
  const error = new HttpSetupError("HTTP_RESPONSE_MISMATCH", {
    message: `The answer of ${route} does not match its schema: ${places.join("; ")}.`,
  });
  if (rule === "refuse") throw error;
  rule.report(error);
}

function invalidParameter(errors: readonly ErrorObject[], prefix: string): HttpProblem {
  return new HttpProblem("invalid_parameter", { errors: itemsOf(errors, prefix) });
}

function itemsOf(errors: readonly ErrorObject[], prefix: string): ProblemItem[] {
  return errors.slice(0, maxItems).map((error) => ({
    pointer: `${prefix}${error.instancePath}${missingOrUnknown(error)}`,
    code: itemCodes[error.keyword] ?? "invalid",
    message: messageOf(error),
  }));
}

/** The property that is missing or one too many, as the last step of the pointer. */
function missingOrUnknown(error: ErrorObject): string {
  const name: unknown =
    error.params["missingProperty"] ?? error.params["additionalProperty"] ?? error.params["unevaluatedProperty"];
  return typeof name === "string" ? `/${name.replaceAll("~", "~0").replaceAll("/", "~1")}` : "";
}

function messageOf(error: ErrorObject): string {
  const allowed: unknown = error.params["allowedValues"];
  if (Array.isArray(allowed)) return `must be one of ${allowed.join(", ")}`;
  if (error.keyword === "required") return "is required";
  if (error.keyword === "additionalProperties" || error.keyword === "unevaluatedProperties") return "is not known here";
  return error.message ?? "is not valid";
}

const itemCodes: Readonly<Record<string, string>> = {
  required: "required",
  type: "wrong_type",
  format: "invalid_format",
  pattern: "invalid_format",
  enum: "not_in_enum",
  const: "not_in_enum",
  maxLength: "too_long",
  maxItems: "too_long",
  minLength: "too_short",
  minItems: "too_short",
  maximum: "too_large",
  exclusiveMaximum: "too_large",
  minimum: "too_small",
  exclusiveMinimum: "too_small",
  additionalProperties: "unknown_field",
  unevaluatedProperties: "unknown_field",
};

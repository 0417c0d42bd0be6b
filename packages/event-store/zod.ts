import { toJSONSchema, type ZodType, type z } from "zod";
import type { JsonSchema, TypedSchema } from "./data-type.js";
import { InvalidEvent } from "./errors.js";

/**
 * The JSON Schema of a Zod schema, for `defineEvent`: the definition's data has the type that goes into the schema.
 * Events carry what was published, so nothing is transformed, coerced or filled in on the way.
 * @throws {InvalidEvent} `EVT_SCHEMA_INVALID` for what JSON Schema cannot say: dates, transformations, and the like.
 */
export function zodSchema<S extends ZodType>(schema: S): JsonSchema & TypedSchema<z.input<S>> {
  try {
    // A JSON Schema is a record of keywords.
    return toJSONSchema(schema, { io: "input", target: "draft-2020-12" }) as JsonSchema & TypedSchema<z.input<S>>;
  } catch (error) {
    throw new InvalidEvent("EVT_SCHEMA_INVALID", {
      message: `The Zod schema has no JSON Schema: ${error instanceof Error ? error.message : error}`,
      cause: error,
    });
  }
}

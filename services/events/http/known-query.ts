import { eventStoreErrors } from "@signalbox/event-store";
import { HttpProblem } from "@signalbox/http";
import { nearestName } from "@signalbox/kernel";
import type { FastifyInstance } from "fastify";

/** Refuses query keys that a route does not know: a misspelt filter would silently show everything. */
export function refuseUnknownQuery(app: FastifyInstance): void {
  app.addHook("preValidation", async (request) => {
    const schema: unknown = request.routeOptions.schema?.querystring;
    const known =
      typeof schema === "object" && schema !== null && "properties" in schema && typeof schema.properties === "object"
        ? Object.keys(schema.properties ?? {})
        : [];
    const given = typeof request.query === "object" && request.query !== null ? Object.keys(request.query) : [];
    const unknown = given.filter((key) => !known.includes(key));
    const [first] = unknown;
    if (first === undefined) return;
    const nearest = nearestName(first, known);
    throw new HttpProblem("EVT_FILTER_INVALID", eventStoreErrors.entries.EVT_FILTER_INVALID, {
      detail: `There is no query key ${JSON.stringify(first)} here.${nearest ? ` Did you mean ${nearest}?` : ""}`,
      errors: unknown.map((key) => ({
        pointer: `/query/${key.replaceAll("~", "~0").replaceAll("/", "~1")}`,
        code: "unknown_field",
        message: "is not known here",
      })),
    });
  });
}

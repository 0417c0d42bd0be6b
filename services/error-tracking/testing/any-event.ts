import type { JsonObject, JsonValue } from "@signalbox/sentry-protocol";
import * as fc from "fast-check";

const anyJson = fc.jsonValue({ maxDepth: 4 }) as fc.Arbitrary<JsonValue>;
const oddText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom("", "{{auto}}", "%s %(a)s {} {0}", "1e400", "😀"),
);
const oddObject = fc.dictionary(
  fc.oneof(
    fc.string(),
    fc.constantFrom(
      "__proto__",
      "constructor",
      "toString",
      "values",
      "frames",
      "stacktrace",
      "mechanism",
      "meta",
      "key",
      "value",
      "trace",
      "trace_id",
      "vars",
      "images",
      "ip_address",
      "formatted",
      "message",
      "params",
      "lineno",
    ),
  ),
  fc.oneof(anyJson, oddText),
) as fc.Arbitrary<JsonObject>;

const field = fc.oneof(
  anyJson,
  oddText,
  oddObject,
  fc.array(oddObject, { maxLength: 5 }),
  fc.record({ values: fc.array(oddObject) }),
);

/** What a client may send as an event: arbitrary JSON at the places where events have something. */
export const anyEvent = fc.record(
  {
    timestamp: field,
    platform: field,
    level: field,
    environment: field,
    release: field,
    dist: field,
    transaction: field,
    culprit: field,
    message: field,
    logentry: field,
    exception: field,
    threads: field,
    stacktrace: field,
    template: field,
    breadcrumbs: field,
    user: field,
    request: fc.oneof(
      field,
      fc.record({ headers: field, cookies: field, query_string: field, env: field, data: field }),
    ),
    tags: field,
    contexts: field,
    extra: field,
    modules: field,
    sdk: field,
    fingerprint: field,
    debug_meta: field,
    csp: field,
    unknown: field,
    "sentry.interfaces.Exception": field,
  },
  { requiredKeys: [] },
) as fc.Arbitrary<JsonObject>;

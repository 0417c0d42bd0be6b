import { isJsonObject, type JsonObject } from "@signalbox/sentry-protocol";

/** All frames of a stored event: of its exceptions, of its threads, and of its own stack. */
export function framesOfPayload(event: JsonObject): JsonObject[] {
  const holders = ["exception", "threads"].flatMap((key) => {
    const values = isJsonObject(event[key]) ? event[key]["values"] : [];
    return Array.isArray(values) ? values.filter(isJsonObject) : [];
  });
  return [event, ...holders].flatMap((holder) => {
    const stack = holder["stacktrace"];
    const frames = isJsonObject(stack) ? stack["frames"] : [];
    return Array.isArray(frames) ? frames.filter(isJsonObject) : [];
  });
}

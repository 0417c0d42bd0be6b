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

/** Path of the file that a frame names. The JVM tells a file by its name alone, and its folder as the package of the class. */
export function fileOfFrame({ filename, module }: JsonObject): string | undefined {
  if (typeof filename !== "string") return undefined;
  if (/\.(?:java|kt|scala|groovy)$/.test(filename) && !filename.includes("/") && typeof module === "string")
    return [...module.split(".").slice(0, -1), filename].join("/");
  return filename;
}

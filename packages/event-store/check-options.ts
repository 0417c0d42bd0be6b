import { errorMessage, nearestName } from "@signalbox/kernel";
import { EventStoreError } from "./errors.js";

/** Throws the error of the caller's family; `option` is a path such as `retry.jitter`. */
export type Refuse = (option: string, message: string, cause?: unknown) => never;

/** What throws while it is read, a getter or a proxy, is refused like anything else that is no option. */
export function readGuarded<T>(option: string, refuse: Refuse, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (error instanceof EventStoreError) throw error;
    return refuse(option, `\`${option}\` could not be read: ${errorMessage(error)}`, error);
  }
}

export function checkList(value: unknown, option: string, refuse: Refuse): void {
  if (value !== undefined && !Array.isArray(value)) refuse(option, `\`${option}\` must be a list`);
}

/** Refuses keys that are not known, by name, so that a misspelt option never does nothing in silence. */
export function checkKeys(value: object, known: readonly string[], where: string, refuse: Refuse): void {
  for (const key of Object.keys(value)) {
    if (known.includes(key)) continue;
    const nearest = nearestName(key, known);
    refuse(where + key, `Unknown option \`${where}${key}\`${nearest ? `; did you mean \`${where}${nearest}\`?` : ""}`);
  }
}

export function checkObject(value: unknown, option: string, refuse: Refuse): asserts value is object {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    refuse(option, `\`${option}\` must be an object`);
}

export function checkInteger(value: unknown, min: number, max: number, option: string, refuse: Refuse): void {
  if (value === undefined) return;
  if (!Number.isInteger(value) || Number(value) < min || Number(value) > max)
    refuse(option, `\`${option}\` must be an integer from ${min} to ${max}`);
}

export function checkNumber(value: unknown, min: number, max: number, option: string, refuse: Refuse): void {
  if (value === undefined) return;
  if (typeof value !== "number" || !(value >= min && value <= max))
    refuse(option, `\`${option}\` must be a number from ${min} to ${max}`);
}

export function checkFunction(value: unknown, option: string, refuse: Refuse): void {
  if (value !== undefined && typeof value !== "function") refuse(option, `\`${option}\` must be a function`);
}

export function checkChoice(value: unknown, choices: readonly string[], option: string, refuse: Refuse): void {
  if (value !== undefined && !choices.includes(String(value)))
    refuse(option, `\`${option}\` must be one of ${choices.join(", ")}`);
}

export function checkText(value: unknown, option: string, refuse: Refuse): void {
  if (value !== undefined && (typeof value !== "string" || value === ""))
    refuse(option, `\`${option}\` must be a text that is not empty`);
}

export function checkBoolean(value: unknown, option: string, refuse: Refuse): void {
  if (value !== undefined && typeof value !== "boolean") refuse(option, `\`${option}\` must be true or false`);
}

/** Something that is used through these methods, whoever made it. */
export function checkMethods(value: unknown, methods: readonly string[], option: string, refuse: Refuse): void {
  if (value === undefined) return;
  const missing =
    typeof value === "object" && value !== null
      ? methods.find((method) => typeof Reflect.get(value, method) !== "function")
      : methods[0];
  if (missing !== undefined) refuse(option, `\`${option}\` must be an object with the method \`${missing}\``);
}

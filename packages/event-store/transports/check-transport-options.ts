import {
  checkBoolean,
  checkInteger,
  checkKeys,
  checkMethods,
  checkObject,
  checkText,
  type Refuse,
  readGuarded,
} from "../check-options.js";
import { EventStoreError } from "../errors.js";

/** What one option may be; `undefined` is always fine. */
export type OptionRule = (value: unknown, option: string, refuse: Refuse) => void;

/** Rules for options that are alike on most transports. */
export const optionRules = {
  integer:
    (min: number, max: number): OptionRule =>
    (value, option, refuse) =>
      checkInteger(value, min, max, option, refuse),
  text: checkText,
  boolean: checkBoolean,
  object: (value, option, refuse) => {
    if (value !== undefined) checkObject(value, option, refuse);
  },
  clock: (value, option, refuse) => checkMethods(value, ["nowMs", "monotonicMs", "setTimer", "sleep"], option, refuse),
  logger: (value, option, refuse) => checkMethods(value, ["debug", "info", "warn", "error", "child"], option, refuse),
  database: (value, option, refuse) => checkMethods(value, ["batch", "run", "transaction"], option, refuse),
  /** Milliseconds between two looks. */
  pollMs: (value, option, refuse) => checkInteger(value, 1, 86_400_000, option, refuse),
  repetitionWindowMs: (value, option, refuse) => checkInteger(value, 1, 2_592_000_000, option, refuse),
} as const satisfies Record<string, OptionRule | ((min: number, max: number) => OptionRule)>;

/**
 * A copy of the options: what one says now holds.
 * @throws {EventStoreError} `EVT_CONFIG_INVALID` naming the option: it is unknown, missing or out of its range.
 */
export function readTransportOptions<O extends object>(
  options: O,
  rules: Readonly<Record<string, OptionRule>>,
  required: readonly string[] = [],
): O {
  return readGuarded("options", refuse, () => {
    checkObject(options, "options", refuse);
    checkKeys(options, Object.keys(rules), "", refuse);
    for (const [option, rule] of Object.entries(rules)) {
      const value: unknown = Reflect.get(options, option);
      if (value === undefined && required.includes(option)) refuse(option, `\`${option}\` is missing`);
      rule(value, option, refuse);
    }
    return { ...options };
  });
}

function refuse(option: string, message: string, cause?: unknown): never {
  throw new EventStoreError("EVT_CONFIG_INVALID", { message, details: { option }, cause });
}

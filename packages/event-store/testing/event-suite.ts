import assert from "node:assert/strict";
import { errorCode } from "@signalbox/kernel";
import type { EventDefinition } from "../define-event.js";
import { defineSuite, type SuiteOptions } from "./suite.js";

export interface SchemaCase<D> {
  readonly definition: EventDefinition<D>;
  /** Data that the schema accepts. */
  readonly valid: NoInfer<D>;
  /** Fields without which the data is refused. */
  readonly missingRequired?: readonly (keyof D & string)[];
  /** For each field a value that is refused; or several such records. */
  readonly invalidTypes?: WrongValues<D> | readonly WrongValues<D>[];
}

export type WrongValues<D> = { readonly [Field in keyof D]?: unknown };

/** Tests that a definition takes valid data and refuses what is missing or wrong. */
export function eventWithSchema<D>(options: SchemaCase<D> & SuiteOptions): void {
  const { definition } = options;
  const tests: Record<string, () => Promise<void>> = { "takes valid data": async () => assertValid(options) };
  for (const { title, data } of wrongData(options))
    tests[`refuses ${title}`] = async () => assertRefused(definition, title, data);
  defineSuite(options, `the schema of ${definition.type}`, tests);
}

/** @throws {AssertionError} for the first that does not hold. */
export async function assertEventWithSchema<D>(options: SchemaCase<D>): Promise<void> {
  assertValid(options);
  for (const { title, data } of wrongData(options)) assertRefused(options.definition, title, data);
}

function wrongData<D>({ valid, missingRequired = [], invalidTypes = [] }: SchemaCase<D>): {
  readonly title: string;
  readonly data: object;
}[] {
  const records = Array.isArray(invalidTypes) ? invalidTypes : [invalidTypes];
  return [
    ...missingRequired.map((field) => {
      const { [field as string]: _, ...data } = valid as Record<string, unknown>;
      return { title: `data without ${field}`, data };
    }),
    ...records.flatMap((record: WrongValues<D>) =>
      Object.entries(record).map(([field, value]) => ({
        title: `${field}: ${JSON.stringify(value)}`,
        data: { ...valid, [field]: value },
      })),
    ),
  ];
}

function assertValid<D>({ definition, valid }: SchemaCase<D>): void {
  try {
    definition.create(valid);
  } catch (error) {
    throw new assert.AssertionError({ message: `${definition.type} refuses valid data: ${error}`, actual: error });
  }
}

function assertRefused(definition: EventDefinition<unknown>, title: string, data: object): void {
  try {
    definition.create(data);
  } catch (error) {
    assert.equal(errorCode(error), "EVT_DATA_INVALID", `${definition.type} refuses ${title} with ${error}`);
    return;
  }
  throw new assert.AssertionError({ message: `${definition.type} takes ${title}` });
}

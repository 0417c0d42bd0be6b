import { readFile } from "node:fs/promises";
import { dirname } from "node:path";
import { parseYaml } from "@signalbox/experience";
import { allowsExperience, type Principal } from "@signalbox/http";
import { type Clock, createService, errorMessage, type Logger, type Metrics, type Service } from "@signalbox/kernel";
import { createBuckets } from "./buckets.js";
import type { TrackerErrorCode } from "./errors.js";
import { watchFolder } from "./watch-folder.js";

/** One entry of the file of producers. */
interface Producer {
  readonly name: string;
  readonly iss: string | undefined;
  /** Exact, or with a final `*`. */
  readonly sub: string;
  readonly types: readonly string[] | undefined;
  readonly experiences: readonly string[] | undefined;
  readonly ratePerS: number | undefined;
  readonly burst: number | undefined;
}

/** Who may send what, and how much of it. */
export interface Producers {
  /** Name under which a producer's checkpoints are kept. */
  admit(principal: Principal): ProducerAdmission;
  /** Reads the file again. One that cannot be read changes nothing. */
  reload(): Promise<void>;
  /** Reads the file, then again whenever it changes, until it is stopped. */
  readonly service: Service;
}

export type ProducerAdmission =
  | { readonly kind: "refused"; readonly code: "producer_not_allowed" }
  | {
      readonly kind: "admitted";
      readonly name: string;
      /** Whose its checkpoints are; absent: the token says. */
      readonly tenant?: string;
      /** Why a checkpoint may not be sent; `undefined` when it may. */
      refusalOf(experienceId: string, type: string): TrackerErrorCode | undefined;
      /** Takes the worth of so many checkpoints, or nothing. 0, else the wait in milliseconds. */
      take(checkpoints: number): number;
    };

export interface ProducersOptions {
  /** YAML list; without it every token with the scope may send everything. */
  readonly file?: string | undefined;
  readonly ratePerS: number;
  readonly burst: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: Metrics;
}

const fileStates = ["valid", "stale", "invalid"] as const;

export function createProducers(options: ProducersOptions): Producers {
  const { file, ratePerS, burst, clock, logger } = options;
  const buckets = createBuckets(clock);
  // Nobody is let in before the file was read, and a file that cannot be read lets in whom it let in before.
  let producers: readonly Producer[] = [];
  let inForce: string | undefined;
  let told: string | undefined;
  let reading: Promise<void> = Promise.resolve();
  const gauge =
    file === undefined
      ? undefined
      : options.metrics.gauge({
          name: "signalbox_experience_producers_file",
          help: "1 for the state of the list of producers; of a stale one the last valid content is used.",
          labels: ["state"],
          known: fileStates.map((state) => ({ state })),
        });
  const showState = (current: (typeof fileStates)[number]): void => {
    for (const state of fileStates) gauge?.set(state === current ? 1 : 0, { state });
  };

  /** What is wrong is told once. */
  const read = async (path: string): Promise<void> => {
    try {
      const text = await readFile(path, "utf8");
      if (text !== inForce) {
        const parsed = parseYaml(text);
        if (parsed.kind === "failed") throw new Error(parsed.message);
        producers = readProducers(parsed.value);
        inForce = text;
        logger.info("the list of experience producers is in force", { file: path, producers: producers.length });
      }
      told = undefined;
      showState("valid");
    } catch (error) {
      const reason = errorMessage(error);
      if (reason !== told)
        logger.warn("the list of experience producers cannot be read; the one before stays in force", {
          file: path,
          error,
        });
      told = reason;
      showState(inForce === undefined ? "invalid" : "stale");
    }
  };

  /** One after the other: what is read last is what was asked for last. */
  const reload = (): Promise<void> => {
    if (file !== undefined) reading = reading.then(() => read(file));
    return reading;
  };

  const folder = file === undefined ? undefined : watchFolder({ directory: dirname(file), clock, reload });

  return {
    admit(principal) {
      const producer = file === undefined ? everybody : producers.find((entry) => isMeant(entry, principal));
      if (!producer) return { kind: "refused", code: "producer_not_allowed" };
      return {
        kind: "admitted",
        name: producer === everybody ? principal.subject : producer.name,
        refusalOf: (experienceId, type) => refusalOf(producer, principal, experienceId, type),
        take: (checkpoints) =>
          buckets.take(principal.subject, checkpoints, {
            perSecond: producer.ratePerS ?? ratePerS,
            burst: producer.burst ?? burst,
          }),
      };
    },
    reload,
    service: createService({
      name: "experience producers",
      async start() {
        await reload();
        folder?.start();
      },
      async stop() {
        folder?.stop();
        await reading;
      },
    }),
  };
}

const everybody: Producer = {
  name: "",
  iss: undefined,
  sub: "*",
  types: undefined,
  experiences: undefined,
  ratePerS: undefined,
  burst: undefined,
};

function refusalOf(
  producer: Producer,
  principal: Principal,
  experienceId: string,
  type: string,
): TrackerErrorCode | undefined {
  const { experienceTypes } = principal;
  if (producer.types && !producer.types.includes(type)) return "type_not_allowed";
  if (experienceTypes && !experienceTypes.includes(type)) return "type_not_allowed";
  if (producer.experiences && !producer.experiences.some((pattern) => fits(pattern, experienceId)))
    return "experience_not_allowed";
  return allowsExperience(principal, experienceId, type) ? undefined : "experience_not_allowed";
}

function isMeant({ iss, sub }: Producer, { issuer, subject }: Principal): boolean {
  return (iss === undefined || iss === issuer) && fits(sub, subject);
}

function fits(pattern: string, text: string): boolean {
  return pattern.endsWith("*") ? text.startsWith(pattern.slice(0, -1)) : pattern === text;
}

/** @throws {TypeError} naming the entry that is wrong; a wrong entry must not let in more than was meant. */
function readProducers(value: unknown): Producer[] {
  if (!Array.isArray(value)) throw new TypeError("The file of producers is a YAML list");
  return value.map((entry: unknown, index) => {
    const fields = new Map(typeof entry === "object" && entry !== null ? Object.entries(entry) : []);
    const fail = (field: string): never => {
      throw new TypeError(`Producer ${index + 1}: ${field} is not what it should be`);
    };
    const text = (field: string): string | undefined => {
      const found: unknown = fields.get(field);
      return found === undefined || typeof found === "string" ? found : fail(field);
    };
    const list = (field: string): string[] | undefined => {
      const found: unknown = fields.get(field);
      if (found === undefined) return undefined;
      return Array.isArray(found) && found.every((item) => typeof item === "string") ? found : fail(field);
    };
    const amount = (field: string): number | undefined => {
      const found: unknown = fields.get(field);
      return found === undefined || (typeof found === "number" && found > 0) ? found : fail(field);
    };
    const known = ["name", "iss", "sub", "types", "experiences", "rate_per_s", "burst"];
    for (const field of fields.keys()) if (!known.includes(field)) fail(field);
    const sub = text("sub") ?? fail("sub");
    return {
      name: text("name") ?? sub,
      iss: text("iss"),
      sub,
      types: list("types"),
      experiences: list("experiences"),
      ratePerS: amount("rate_per_s"),
      burst: amount("burst"),
    };
  });
}

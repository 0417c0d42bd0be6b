import {
  type AdmitOptions,
  type ApplyResult,
  admit,
  type Checkpoint,
  ExperienceError,
  type ExperienceStore,
  type FieldFault,
  isFinal,
  type PayloadOptions,
  type Run,
  readPayload,
  type TimelineEntry,
} from "@signalbox/experience";
import type { Definitions } from "./definitions.js";
import type { TrackerErrorCode } from "./errors.js";
import type { IntakeMetrics } from "./intake-metrics.js";
import type { ProducerActivityBook } from "./producer-activity.js";
import type { ProducerAdmission } from "./producers.js";
import type { Quarantine } from "./quarantine.js";

/** Takes checkpoints: reads them, judges them by the registry, and has the store apply them. */
export interface Intake {
  /**
   * One outcome for each, in the same order.
   * @throws {ExperienceError} `state_store_unavailable` or `backlog_full` when nothing could be taken; then nothing was
   * written.
   */
  take(items: readonly unknown[], sender: Sender): Promise<readonly TakeOutcome[]>;
}

export interface Sender {
  readonly tenant: string;
  readonly producer: Extract<ProducerAdmission, { kind: "admitted" }>;
  readonly idempotencyKey?: string | undefined;
}

export type TakeOutcome =
  | {
      readonly kind: "taken";
      readonly run: Run;
      readonly answer: TimelineEntry;
      readonly duplicate: boolean;
      readonly anomalies: readonly string[];
    }
  | { readonly kind: "refused"; readonly code: TrackerErrorCode; readonly faults: readonly FieldFault[] }
  | { readonly kind: "unwritten"; readonly error: ExperienceError };

export interface IntakeOptions {
  readonly store: ExperienceStore;
  readonly definitions: Pick<Definitions, "registry">;
  readonly payload: Omit<PayloadOptions, "idempotencyKey">;
  readonly admission: Omit<AdmitOptions, "tenant" | "producer">;
  readonly metrics: IntakeMetrics;
  readonly activity: Pick<ProducerActivityBook, "note">;
  readonly quarantine: Pick<Quarantine, "holds">;
  /** Whether too much waits for being published. */
  readonly isBacklogFull: () => boolean;
  /** Called when runs were closed or records were written. */
  readonly onApplied: (results: readonly ApplyResult[]) => void;
}

/** What the items of one sender are judged by. */
interface Preparation {
  readonly producer: Sender["producer"];
  readonly payloadOptions: PayloadOptions;
  readonly admitOptions: AdmitOptions;
}

type Prepared =
  | { readonly kind: "checkpoint"; readonly checkpoint: Checkpoint }
  | Extract<TakeOutcome, { kind: "refused" }>;

export function createIntake(options: IntakeOptions): Intake {
  const { store, definitions, metrics, activity } = options;

  const prepare = (item: unknown, { producer, payloadOptions, admitOptions }: Preparation): Prepared => {
    const reading = readPayload(item, payloadOptions);
    if (reading.kind === "invalid") return { kind: "refused", code: codeOf(reading.faults), faults: reading.faults };
    const { payload } = reading;
    const refusal = producer.refusalOf(payload.experienceId, payload.type);
    if (refusal) return { kind: "refused", code: refusal, faults: [] };
    const admission = admit(payload, definitions.registry, admitOptions);
    if (admission.kind === "refused") {
      const fault = { pointer: "/covered_experience_id", code: "not_in_enum", message: "has no definition" } as const;
      return { kind: "refused", code: admission.code, faults: [fault] };
    }
    return { kind: "checkpoint", checkpoint: admission.checkpoint };
  };

  return {
    async take(items, { tenant, producer, idempotencyKey }) {
      if (options.isBacklogFull()) throw new ExperienceError("backlog_full");
      const preparation: Preparation = {
        producer,
        payloadOptions: { ...options.payload, idempotencyKey },
        admitOptions: {
          ...options.admission,
          tenant,
          producer: producer.name,
          uncounted: options.quarantine.holds(tenant, producer.name),
        },
      };
      const prepared = items.map((item) => prepare(item, preparation));
      const checkpoints = prepared.flatMap((item) => (item.kind === "checkpoint" ? [item.checkpoint] : []));
      const results = checkpoints.length === 0 ? [] : await store.apply(checkpoints);
      options.onApplied(results);
      let next = 0;
      return prepared.map((item): TakeOutcome => {
        if (item.kind === "refused") {
          metrics.rejected();
          return item;
        }
        const result = results[next++];
        if (!result) throw new TypeError("The store gave too few results");
        metrics.applied(item.checkpoint, result);
        activity.note(item.checkpoint, result);
        return outcomeOf(result);
      });
    },
  };
}

function outcomeOf(result: ApplyResult): TakeOutcome {
  if (result.result === "failed") return { kind: "unwritten", error: result.error };
  if (result.result === "rejected") {
    const fault = { pointer: "/client_timestamp", code: "invalid_timestamp", message: "is out of range" } as const;
    return { kind: "refused", code: result.code, faults: [fault] };
  }
  const { run, answer, anomalies } = result;
  return { kind: "taken", run, answer, duplicate: result.result === "duplicate", anomalies };
}

/** The fault that names the whole, when there is but one kind of it; many faults are an invalid checkpoint. */
function codeOf(faults: readonly FieldFault[]): TrackerErrorCode {
  const [first] = faults;
  const special = first?.code === "contradictory_outcome" || first?.code === "idempotency_key_conflict";
  return special && faults.length === 1 ? first.code : "invalid_checkpoint";
}

/** Whether a step closed the run that it is about. */
export function closedRun(result: ApplyResult): Run | undefined {
  if (result.result === "failed" || result.result === "rejected" || result.result === "duplicate") return undefined;
  return isFinal(result.run.state) ? result.run : undefined;
}

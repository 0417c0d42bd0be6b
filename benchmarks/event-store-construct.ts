import { Ajv } from "ajv";
import { type Benchmark, percentile, scaled } from "./harness.js";
import { jobFinished, jobPayload } from "./load/job-events.js";

const events = scaled(200_000);
const rounds = 5;

/** Objects as callers bring them, made beforehand. */
const payloads = Array.from({ length: 1_000 }, (_, index) => jobPayload(index));

function perSecond(make: (payload: ReturnType<typeof jobPayload>) => unknown): number {
  const startMs = performance.now();
  for (let index = 0; index < events; index++) {
    const payload = payloads[index % payloads.length];
    if (payload) make(payload);
  }
  return events / ((performance.now() - startMs) / 1000);
}

/** Making an event: validation, deep copy, freeze, id, context. */
export const eventStoreConstruct: Benchmark = {
  name: "event-store-construct",
  proves: ["ES-900"],
  async run(report) {
    const validate = new Ajv({ allErrors: true }).compile(jobFinished.schema);
    const copyChecked = (payload: unknown): unknown => {
      if (!validate(payload)) throw new Error("the payload does not fit its schema");
      return structuredClone(payload);
    };
    const results = Array.from({ length: rounds }, () => ({
      ours: perSecond((payload) => jobFinished.create(payload)),
      peer: perSecond(copyChecked),
    }));
    report({
      workload: `${events} events of 512 bytes, 8 properties`,
      measured: {
        value: percentile(
          results.map(({ ours }) => ours),
          0.5,
        ),
        unit: "events/s",
      },
      peer: {
        name: "Ajv validate and structuredClone",
        value: percentile(
          results.map(({ peer }) => peer),
          0.5,
        ),
      },
      targetRatio: 1,
      target: 150_000,
    });
  },
};

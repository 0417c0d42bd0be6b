import { parseEnvelope } from "@signalbox/sentry-protocol";
import { type Benchmark, percentile, scaled } from "./harness.js";
import { envelopeOf, mixedEvent } from "./load/error-mix.js";

const small = scaled(50_000);
const large = scaled(2_000);
const attachmentBytes = 20 * 1024 * 1024;

/** Times a second, the middle of five rounds in turn, so that a busy moment of the machine meets both. */
function inTurn(times: number, ours: () => unknown, theirs: () => unknown): { readonly ours: number; peer: number } {
  const rate = (work: () => unknown): number => {
    const startMs = performance.now();
    for (let time = 0; time < times; time++) work();
    return (times * 1000) / (performance.now() - startMs);
  };
  const rounds = Array.from({ length: 6 }, () => ({ ours: rate(ours), peer: rate(theirs) })).slice(1);
  return {
    ours: percentile(
      rounds.map((round) => round.ours),
      0.5,
    ),
    peer: percentile(
      rounds.map((round) => round.peer),
      0.5,
    ),
  };
}

/** An event as clients send it, with its JSON as the rest of the line: the header says no length. */
function withoutLength(envelope: Buffer): Buffer {
  const [header = "", , payload = ""] = envelope.toString("utf8").split("\n");
  return Buffer.from(`${header}\n{"type":"event"}\n${payload}\n`);
}

/** Taking envelopes apart, against the parser of Sentry's own SDKs. */
export const errorsEnvelope: Benchmark = {
  name: "errors-envelope",
  proves: ["ET-903"],
  async run(report) {
    const { parseEnvelope: parseWithSdk } = await import("@sentry/core");
    const peerName = "parseEnvelope of @sentry/core";

    const event = envelopeOf(mixedEvent(3, { bytes: 8_000 }));
    const eventRates = inTurn(
      small,
      () => parseEnvelope(event),
      () => parseWithSdk(event),
    );
    report({
      workload: "an envelope with an event of 8 kB and its length",
      measured: { value: eventRates.ours, unit: "envelopes/s" },
      peer: { name: peerName, value: eventRates.peer },
      targetRatio: 1,
    });

    const line = withoutLength(event);
    // The SDK's parser reads such a payload as JSON, ours leaves that to whoever wants it.
    const lineRates = inTurn(
      scaled(10_000),
      () => JSON.parse(Buffer.from(parseEnvelope(line).items[0]?.payload ?? []).toString("utf8")),
      () => parseWithSdk(line),
    );
    report({
      workload: "an envelope with an event of 8 kB and no length, its JSON read",
      measured: { value: lineRates.ours, unit: "envelopes/s" },
      peer: { name: peerName, value: lineRates.peer },
      targetRatio: 1,
    });

    const attachment = Buffer.alloc(attachmentBytes, "minidump ");
    const itemHeader = JSON.stringify({ type: "attachment", length: attachmentBytes, filename: "core.dmp" });
    const withAttachment = Buffer.concat([
      event.subarray(0, -1),
      Buffer.from(`\n${itemHeader}\n`),
      attachment,
      Buffer.from("\n"),
    ]);
    const largeRates = inTurn(
      large,
      () => parseEnvelope(withAttachment),
      () => parseWithSdk(withAttachment),
    );
    const payload = parseEnvelope(withAttachment).items[1]?.payload;
    report({
      workload: "the same with an attachment of 20 MiB",
      measured: { value: largeRates.ours, unit: "envelopes/s" },
      peer: { name: peerName, value: largeRates.peer },
      targetRatio: 2,
      notes: { payload_is_copied: payload?.buffer === withAttachment.buffer ? "no" : "yes" },
    });
  },
};

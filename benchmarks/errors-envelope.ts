import assert from "node:assert/strict";
import { decodeUtf8, parseEnvelope } from "@signalbox/sentry-protocol";
import { type Benchmark, percentile, scaled } from "./harness.js";
import { envelopeOf, mixedEvent } from "./load/error-mix.js";

const times = scaled(40_000);
const readTimes = scaled(5_000);
const attachmentBytes = 20 * 1024 * 1024;

/**
 * Times a second of processor time, the middle of eleven rounds in turn: neither other processes nor a round with much
 * garbage to collect decide.
 */
function inTurn(count: number, ours: () => unknown, theirs: () => unknown): { readonly ours: number; peer: number } {
  const rate = (work: () => unknown): number => {
    const before = process.cpuUsage();
    for (let time = 0; time < count; time++) work();
    const { user, system } = process.cpuUsage(before);
    return (count * 1_000_000) / (user + system);
  };
  const rounds = Array.from({ length: 13 }, () => ({ ours: rate(ours), peer: rate(theirs) })).slice(2);
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
      times,
      () => parseEnvelope(event),
      () => parseWithSdk(event),
    );
    report({
      workload: "an envelope with an event of 8 kB and its length",
      measured: { value: eventRates.ours, unit: "envelopes/s of processor time" },
      peer: { name: peerName, value: eventRates.peer },
      targetRatio: 1,
    });

    const line = withoutLength(event);
    // The SDK's parser reads such a payload as JSON, ours leaves that to whoever wants it.
    const lineRates = inTurn(
      readTimes,
      () => JSON.parse(decodeUtf8(parseEnvelope(line).items[0]?.payload ?? Buffer.alloc(0))),
      () => parseWithSdk(line),
    );
    report({
      workload: "an envelope with an event of 8 kB and no length, its JSON read",
      measured: { value: lineRates.ours, unit: "envelopes/s of processor time" },
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
    const [, [sdkHeader, sdkPayload] = []] = parseWithSdk(withAttachment)[1];
    const [, item] = parseEnvelope(withAttachment).items;
    // Neither copies: the SDK's parser is given bytes, and both answer with views of them.
    assert.deepEqual(item?.attributes, sdkHeader);
    assert(item?.payload.buffer === withAttachment.buffer);
    assert(sdkPayload instanceof Uint8Array && sdkPayload.buffer === withAttachment.buffer);
    const largeRates = inTurn(
      times,
      () => parseEnvelope(withAttachment),
      () => parseWithSdk(withAttachment),
    );
    report({
      workload: "the same with an attachment of 20 MiB",
      measured: { value: largeRates.ours, unit: "envelopes/s of processor time" },
      peer: { name: peerName, value: largeRates.peer },
      targetRatio: 2,
      notes: { payload_is_copied: "by neither" },
    });

    const namedRates = inTurn(
      times,
      () => parseEnvelope(withAttachment).items[1]?.attributes["filename"],
      () => parseWithSdk(withAttachment)[1][1],
    );
    report({
      workload: "the same, and the attachment's file name, which only the SDK's parser reads before it is asked",
      measured: { value: namedRates.ours, unit: "envelopes/s of processor time" },
      peer: { name: peerName, value: namedRates.peer },
    });
  },
};

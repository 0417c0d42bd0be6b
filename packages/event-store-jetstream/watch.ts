import type { Timer } from "@signalbox/kernel";
import type { Allowance } from "./allowance.js";
import { remindOfForgotten } from "./forgotten.js";
import { readSubject, streamSubjects } from "./names.js";
import { removeOrphans } from "./orphans.js";
import type { JetStreamParts } from "./parts.js";
import { countBySubject } from "./stream.js";

export interface StreamWatchOptions {
  readonly parts: JetStreamParts;
  readonly allowance: Allowance;
  /** Subscribers that are consumed in this process. */
  readonly consumed: () => readonly string[];
  /** A partition holds something. */
  readonly found: (subscriber: string, partition: string) => void;
}

/** Announcements may be lost, and nobody announces that a lease ran out. */
const lookEveryMs = 500;
const renewEveryMs = 1_000;
const remindEveryMs = 1_000;
const sweepEveryMs = 5_000;
const tidyEveryMs = 3_600_000;
const noteRestMs = 3_600_000;
const notesAtOnce = 500;

/** Looks now and then for what nobody announces. */
export class StreamWatch {
  readonly #options: StreamWatchOptions;
  readonly #timers = new Map<string, Timer>();
  readonly #underway = new Set<Promise<void>>();
  #stopped = false;

  constructor(options: StreamWatchOptions) {
    this.#options = options;
  }

  start(): void {
    this.#every(lookEveryMs, "look", () => this.#look());
    this.#every(renewEveryMs, "permits", () => this.#options.allowance.renew());
    this.#every(remindEveryMs, "forgotten", () => this.#remind());
    this.#every(sweepEveryMs, "orphans", () => this.#sweepOrphans());
    this.#every(tidyEveryMs, "notes", () => this.#tidyNotes());
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers.values()) timer.cancel();
    await Promise.all(this.#underway);
  }

  #every(periodMs: number, name: string, work: () => Promise<void>): void {
    if (this.#stopped) return;
    const { clock, logger } = this.#options.parts;
    const timer = clock.setTimer(periodMs, () => {
      const run = work()
        .catch((error: unknown) => logger.debug("the stream could not be looked after", { error, name }))
        .finally(() => {
          this.#underway.delete(run);
          this.#every(periodMs, name, work);
        });
      this.#underway.add(run);
    });
    this.#timers.set(name, timer);
  }

  async #look(): Promise<void> {
    const { parts, consumed, found } = this.#options;
    const { link, names } = parts;
    const wanted = new Set(consumed());
    if (!link.isUp || wanted.size === 0) return;
    for (const subject of (await countBySubject(link, names, streamSubjects(names))).keys()) {
      const parsed = readSubject(names, subject);
      if (parsed && wanted.has(parsed.subscriber)) found(parsed.subscriber, parsed.partition);
    }
  }

  async #remind(): Promise<void> {
    const { parts, consumed } = this.#options;
    for (const subscriber of consumed()) if (parts.link.isUp) await remindOfForgotten(subscriber, parts);
  }

  async #sweepOrphans(): Promise<void> {
    const { parts, consumed } = this.#options;
    for (const subscriber of consumed()) {
      if (!parts.link.isUp) return;
      const count = await removeOrphans(subscriber, parts);
      if (count > 0) parts.logger.info("settled deliveries came back and were deleted", { subscriber, count });
    }
  }

  /** Notes outlive their message when a process dies between the two. */
  async #tidyNotes(): Promise<void> {
    const { notes, link, names, clock } = this.#options.parts;
    const old = await notes.untouchedSince(clock.nowMs() - noteRestMs, notesAtOnce);
    const orphaned: string[] = [];
    for (const { messageId, streamSeq } of old) {
      const message = await link.manager.direct.getMessage(names.stream, { seq: streamSeq });
      if (!message) orphaned.push(messageId);
    }
    await notes.remove(orphaned);
  }
}

import type { Urgency } from "./define-subscriber.js";

/** Something that can start handler calls when it is given a slot. */
export interface SlotUser {
  readonly urgency: Urgency;
  /** True when a call could start now. */
  canStart(): boolean;
  /** Starts one call; the slot is free again when it calls `release`. */
  start(release: () => void): void;
}

/** A call that needs the process for itself. */
export type LoneCall = (release: () => void) => void;

/** How the slots of a process are shared between the urgencies when all of them have work. */
const weights: Readonly<Record<Urgency, number>> = { high: 6, low: 3, throttled: 1 };
const urgencies: readonly Urgency[] = ["high", "low", "throttled"];

/**
 * Shares a number of slots. A free one goes to the urgency that has the least of its share, so none starves and what
 * one leaves unused goes to the others; within an urgency, users take turns.
 * A lone call waits until nothing else runs and keeps everything else waiting; between two lone calls the others get
 * a turn.
 */
export class SlotPool {
  readonly #slots: number;
  readonly #running: Record<Urgency, number> = { high: 0, low: 0, throttled: 0 };
  /** Users that may have something to start, in turn. */
  readonly #ready: Record<Urgency, SlotUser[]> = { high: [], low: [], throttled: [] };
  readonly #queued = new Set<SlotUser>();
  /** Starts so far, each counted as one by the urgency's weight: who is next where what runs does not tell. */
  readonly #turns: Record<Urgency, number> = { high: 0, low: 0, throttled: 0 };
  #lastTurn = 0;
  readonly #lone: LoneCall[] = [];
  #total = 0;
  #aloneRunning = false;
  #othersFirst = false;

  constructor(slots: number) {
    this.#slots = slots;
  }

  get running(): number {
    return this.#total;
  }

  /** Says that the user may have something to start. */
  offer(user: SlotUser): void {
    const { urgency } = user;
    // Nobody saves up turns while having nothing to do.
    if (this.#ready[urgency].length === 0) this.#turns[urgency] = Math.max(this.#turns[urgency], this.#lastTurn);
    if (!this.#queued.has(user)) {
      this.#queued.add(user);
      this.#ready[urgency].push(user);
    }
    this.#fill();
  }

  offerAlone(call: LoneCall): void {
    this.#lone.push(call);
    this.#fill();
  }

  #fill(): void {
    if (this.#aloneRunning) return;
    if (this.#lone.length > 0 && !this.#othersFirst) {
      if (this.#total === 0) this.#startAlone();
      return;
    }
    while (this.#total < this.#slots) {
      const urgency = this.#neediest();
      if (!urgency) break;
      const user = this.#ready[urgency].shift();
      if (!user) continue;
      this.#queued.delete(user);
      if (!user.canStart()) continue;
      this.#start(user, urgency);
      if (user.canStart() && !this.#queued.has(user)) {
        this.#queued.add(user);
        this.#ready[urgency].push(user);
      }
    }
    if (this.#othersFirst) {
      this.#othersFirst = false;
      if (this.#total === 0) this.#fill();
    }
  }

  #start(user: SlotUser, urgency: Urgency): void {
    this.#total++;
    this.#running[urgency]++;
    this.#lastTurn = this.#turns[urgency];
    this.#turns[urgency] += 1 / weights[urgency];
    let released = false;
    user.start(() => {
      if (released) return;
      released = true;
      this.#total--;
      this.#running[urgency]--;
      this.offer(user);
    });
  }

  #startAlone(): void {
    const call = this.#lone.shift();
    if (!call) return;
    this.#total++;
    this.#aloneRunning = true;
    let released = false;
    call(() => {
      if (released) return;
      released = true;
      this.#total--;
      this.#aloneRunning = false;
      this.#othersFirst = true;
      this.#fill();
    });
  }

  #neediest(): Urgency | undefined {
    let neediest: Urgency | undefined;
    for (const urgency of urgencies) {
      if (this.#ready[urgency].length === 0) continue;
      if (!neediest || this.#isNeedier(urgency, neediest)) neediest = urgency;
    }
    return neediest;
  }

  #isNeedier(urgency: Urgency, other: Urgency): boolean {
    const share = this.#running[urgency] / weights[urgency];
    const otherShare = this.#running[other] / weights[other];
    return share < otherShare || (share === otherShare && this.#turns[urgency] < this.#turns[other]);
  }
}

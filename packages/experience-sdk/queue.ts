import type { CheckpointKind } from "@signalbox/experience/payload";
import { createFifo, type Fifo } from "./fifo.js";
import type { Run } from "./run.js";

/** A checkpoint that waits to be sent. */
export interface Waiting {
  readonly run: Run;
  readonly kind: CheckpointKind;
  readonly eventId: string;
  readonly sequence: number;
  /** When it happened. */
  readonly atMs: number;
  /** Checked. */
  readonly category: string | undefined;
  /** What only some checkpoints have, as JSON members: a comma before each, or nothing. */
  readonly rest: string;
  /** Upper bound of its size as JSON in UTF-8. */
  readonly bytes: number;
  /** Monotonic. */
  readonly recordedAtMs: number;
  /** Out of the queue: taken or dropped. */
  gone: boolean;
  /** An end of the same run that came before this one. */
  earlierEnd: Waiting | undefined;
}

export interface QueueLimits {
  readonly maxQueueEvents: number;
  readonly maxQueueBytes: number;
}

export interface QueueOptions extends QueueLimits {
  readonly lanes: number;
  /** Called for each checkpoint that had to make room. */
  readonly onDrop: (dropped: Waiting) => void;
}

/**
 * What waits to be sent, in order of recording, never more than its limits. When it is full, intermediates go first,
 * then whole runs that wait here from their start on, oldest first; what is left are ends of runs that were sent
 * before, and they go last. A start never goes without its end.
 */
export interface CheckpointQueue {
  /** Takes it in any case and makes room where necessary, which may cost this very checkpoint. */
  push(checkpoint: Waiting): void;
  /** The oldest of a lane. */
  peek(lane: number): Waiting | undefined;
  /** Takes from a lane until one of the limits is reached; at least one when there is one. They count until released. */
  take(lane: number, maxEvents: number, maxBytes: number): Waiting[];
  /** Tells that checkpoints taken before are sent or given up. */
  release(checkpoints: readonly Waiting[]): void;
  /** Everything that waits, out of the queue. */
  drain(): Waiting[];
  /** Waiting in a lane. */
  eventsIn(lane: number): number;
  bytesIn(lane: number): number;
  /** Waiting or taken. */
  readonly events: number;
  readonly bytes: number;
}

interface Lane {
  readonly order: Fifo<Waiting>;
  events: number;
  bytes: number;
}

export function laneOf(run: Run, lanes: number): number {
  if (lanes === 1) return 0;
  let hash = 0;
  for (let index = 0; index < run.correlationId.length; index++)
    hash = (Math.imul(hash, 31) + run.correlationId.charCodeAt(index)) >>> 0;
  return hash % lanes;
}

export function createCheckpointQueue(options: QueueOptions): CheckpointQueue {
  const hasLeft = (checkpoint: Waiting): boolean => checkpoint.gone;
  const lanes: Lane[] = Array.from({ length: options.lanes }, () => ({
    order: createFifo(hasLeft),
    events: 0,
    bytes: 0,
  }));
  const intermediates = createFifo(hasLeft);
  const starts = createFifo(hasLeft);
  const ends = createFifo(hasLeft);
  const ofKind = { start: starts, intermediate: intermediates, end: ends } as const;
  let events = 0;
  let bytes = 0;

  const laneFor = (checkpoint: Waiting): Lane => {
    const lane = lanes[laneOf(checkpoint.run, lanes.length)];
    if (!lane) throw new TypeError("there is no such lane");
    return lane;
  };

  const leave = (checkpoint: Waiting): void => {
    checkpoint.gone = true;
    const lane = laneFor(checkpoint);
    lane.events--;
    lane.bytes -= checkpoint.bytes;
  };

  const drop = (checkpoint: Waiting): void => {
    leave(checkpoint);
    laneFor(checkpoint).order.left(1);
    events--;
    bytes -= checkpoint.bytes;
    options.onDrop(checkpoint);
  };

  const dropRun = (start: Waiting): void => {
    start.run.dropped = true;
    drop(start);
    for (let end = start.run.waitingEnd; end; end = end.earlierEnd) {
      if (end.gone) continue;
      drop(end);
      ends.left(1);
    }
  };

  const makeRoom = (): void => {
    while (events > options.maxQueueEvents || bytes > options.maxQueueBytes) {
      const intermediate = intermediates.shift();
      const start = intermediate ? undefined : starts.shift();
      const end = intermediate || start ? undefined : ends.shift();
      if (intermediate) drop(intermediate);
      else if (start) dropRun(start);
      else if (end) drop(end);
      else return;
    }
  };

  return {
    push(checkpoint) {
      const lane = laneFor(checkpoint);
      lane.order.push(checkpoint);
      lane.events++;
      lane.bytes += checkpoint.bytes;
      ofKind[checkpoint.kind].push(checkpoint);
      if (checkpoint.kind === "end") {
        const { waitingEnd } = checkpoint.run;
        checkpoint.earlierEnd = waitingEnd?.gone ? undefined : waitingEnd;
        checkpoint.run.waitingEnd = checkpoint;
      }
      events++;
      bytes += checkpoint.bytes;
      makeRoom();
    },
    peek: (lane) => lanes[lane]?.order.peek(),
    take(laneIndex, maxEvents, maxBytes) {
      const lane = lanes[laneIndex];
      const taken: Waiting[] = [];
      let takenBytes = 0;
      for (let next = lane?.order.peek(); lane && next && taken.length < maxEvents; next = lane.order.peek()) {
        if (next.run.dropped) {
          // A second start of a run whose first start had to make room.
          ofKind[next.kind].left(1);
          drop(next);
          continue;
        }
        takenBytes += next.bytes;
        if (taken.length > 0 && takenBytes > maxBytes) break;
        lane.order.shift();
        leave(next);
        ofKind[next.kind].left(1);
        taken.push(next);
      }
      return taken;
    },
    release(checkpoints) {
      for (const checkpoint of checkpoints) {
        events--;
        bytes -= checkpoint.bytes;
      }
    },
    drain() {
      const drained: Waiting[] = [];
      for (const lane of lanes) {
        for (let next = lane.order.shift(); next; next = lane.order.shift()) {
          leave(next);
          ofKind[next.kind].left(1);
          events--;
          bytes -= next.bytes;
          drained.push(next);
        }
      }
      return drained;
    },
    eventsIn: (lane) => lanes[lane]?.events ?? 0,
    bytesIn: (lane) => lanes[lane]?.bytes ?? 0,
    get events() {
      return events;
    },
    get bytes() {
      return bytes;
    },
  };
}

import {
  DiscardPolicy,
  JetStreamApiCodes,
  JetStreamApiError,
  RetentionPolicy,
  StorageType,
  type StreamInfo,
} from "@nats-io/jetstream";
import { nanos } from "@nats-io/transport-node";
import { EventStoreError } from "@signalbox/event-store";
import type { Link } from "./link.js";
import { type Names, streamSubjects } from "./names.js";

export interface StreamSettings {
  /** Most bytes that the stream may hold; what comes after is refused. */
  readonly maxBytes: number;
  readonly replicas: number;
  /** How long the stream remembers the ids of messages. */
  readonly repetitionWindowMs: number;
  readonly partitions: number;
}

/**
 * Creates the stream, or brings the one that is there up to date. Several processes may do it at once.
 * @throws {EventStoreError} `EVT_TRANSPORT_UNSUPPORTED` when a stream of that name is of another kind, `EVT_CONFIG_INVALID`
 * when the number of partitions changed while deliveries wait, `EVT_TRANSPORT_FULL` when the server has no room for it.
 */
export async function ensureStream(link: Link, names: Names, settings: StreamSettings): Promise<void> {
  const { streams } = link.manager;
  const found = await findStream(link, names);
  const description = describe(settings);
  const changeable = {
    description,
    max_bytes: settings.maxBytes,
    num_replicas: settings.replicas,
    duplicate_window: nanos(settings.repetitionWindowMs),
  };
  if (!found) {
    await streams.add({
      ...changeable,
      name: names.stream,
      subjects: [streamSubjects(names)],
      retention: RetentionPolicy.Workqueue,
      storage: StorageType.File,
      discard: DiscardPolicy.New,
      max_msgs: -1,
      max_age: 0,
      allow_direct: true,
    });
    return;
  }
  const { config, state } = found;
  if (config.retention !== RetentionPolicy.Workqueue || config.storage !== StorageType.File)
    throw new EventStoreError("EVT_TRANSPORT_UNSUPPORTED", {
      message: `Stream ${names.stream} is there already and is no work queue on files`,
    });
  if (config.description !== description && state.messages > 0)
    throw new EventStoreError("EVT_CONFIG_INVALID", {
      message: `The number of partitions cannot change while deliveries wait in stream ${names.stream}`,
      details: { option: "partitions" },
    });
  const isCurrent =
    config.description === description &&
    config.max_bytes === changeable.max_bytes &&
    config.num_replicas === changeable.num_replicas &&
    config.duplicate_window === changeable.duplicate_window;
  if (!isCurrent) await streams.update(names.stream, { ...config, ...changeable });
}

/** The server keeps it with the stream, so that every process can tell. */
function describe({ partitions }: StreamSettings): string {
  return `Deliveries of the Signalbox event store; ${partitions} partitions`;
}

async function findStream(link: Link, names: Names): Promise<StreamInfo | undefined> {
  try {
    return await link.manager.streams.info(names.stream);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === JetStreamApiCodes.StreamNotFound) return undefined;
    throw error;
  }
}

/** How many messages wait or run, by subject. */
export async function countBySubject(link: Link, names: Names, subjects: string): Promise<ReadonlyMap<string, number>> {
  const { state } = await link.manager.streams.info(names.stream, { subjects_filter: subjects });
  return new Map(Object.entries(state.subjects ?? {}));
}

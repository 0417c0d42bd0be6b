import type { Configure, DispatchLog, EventStore } from "@signalbox/event-store";
import type { FamilySource, StreamHub } from "@signalbox/http";
import type { ErrorCatalogue, Service } from "@signalbox/kernel";
import type { TimelineSource } from "@signalbox/timeline";
import type { FastifyPluginAsync } from "fastify";
import type { BannerLine } from "../banner.js";
import type { StartContext, Stores } from "../compose.js";
import type { Role } from "../roles.js";

/** What a system is put together from. */
export interface SystemContext extends StartContext {
  readonly stores: Stores;
  /** Address under which clients reach the API listener; asked for each time, since it may be known late. */
  serverUrl(): string;
  /** Address under which this process reaches its own API listener. Asked for once it listens. */
  ownUrl(): string;
  /** True while the disk is too full to take anything. */
  isDiskFull(): boolean;
  /** True from twice that free space on: what can be done without is refused first. */
  isDiskLow(): boolean;
  /** Where changes are told to live pages; topics are added while the system is put together. */
  readonly streams: StreamHub;
}

/** One of the systems on the spine, before it runs. What its stores must hold is in `migrations.ts`. */
export interface SystemDefinition {
  readonly name: string;
  /** The codes that its routes answer with. */
  readonly catalogues: readonly ErrorCatalogue[];
  /** Puts it together; nothing runs yet. */
  create(context: SystemContext): Promise<ServerSystem> | ServerSystem;
}

/**
 * A system in a running server. In this order: one event store is made with the `configure` of all systems and handed to
 * each `attach`; every `service` starts; subscribers begin to handle; `intake` starts; the API listener, which has the
 * `routes`, begins to take requests; each `client` starts; `announce` is asked. It stops in the reverse order.
 */
export interface ServerSystem {
  /** Its events and subscriptions. */
  readonly configure?: Configure;
  /** Keeps the history of publishing and handling; one system has it. */
  readonly dispatchLog?: DispatchLog;
  /** Gives the event store; nothing can be published before. */
  attach?(eventStore: EventStore): void;
  /** What it needs as long as anything runs: caches, ledgers, housekeeping. */
  readonly service?: Service;
  /** What takes in work or makes it beside the API listener: a listener of its own, a timer. Stops before the subscribers do. */
  readonly intake?: Service;
  /** What sends requests to this very server, and so starts when they are answered and stops while they still are. */
  readonly client?: Service;
  /** Plugins of the API listener, each registered where its role runs. */
  readonly routes?: readonly SystemRoutes[];
  /** Metrics whose values are kept elsewhere. */
  readonly families?: SystemFamilies;
  /** Its part of the story that `/api/v1/timeline` tells. */
  readonly timeline?: TimelineSource;
  /** What an operator should see once the server is up. */
  announce?(): Promise<readonly BannerLine[]>;
}

/** Metric families with a page of their own on the metrics listener. */
export interface SystemFamilies {
  readonly name: string;
  /** `/metrics/…` */
  readonly page: string;
  readonly source: FamilySource;
  /** Whether `/metrics` shows them too. */
  readonly inline: boolean;
}

export interface SystemRoutes {
  readonly role: Role;
  readonly plugin: FastifyPluginAsync;
}

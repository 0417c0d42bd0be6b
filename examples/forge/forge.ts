import type { EventStore } from "@signalbox/event-store";
import type { Client } from "@signalbox/experience-sdk";

/** What is known beside an error. */
export interface ErrorDetails {
  readonly level?: "fatal" | "error" | "warning";
  readonly user?: { readonly id: string; readonly email?: string };
  readonly tags?: Readonly<Record<string, string>>;
  readonly contexts?: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
}

/** What the modules of the forge work with. Known once it runs, so each is asked for when it is needed. */
export interface Forge {
  events(): EventStore;
  journeys(): Client;
  captureError(error: unknown, details?: ErrorDetails): void;
  /**
   * Keeps breadcrumbs of what is done for one person away from those of others. The name, as `POST /pipelines`, is what
   * events are said to have begun with.
   */
  inRequest<T>(name: string, work: () => Promise<T>): Promise<T>;
  /** What happened before an error helps to understand it. */
  leaveBreadcrumb(category: string, message: string, data?: Readonly<Record<string, unknown>>): void;
}

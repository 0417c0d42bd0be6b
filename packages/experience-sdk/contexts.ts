import { canonicalCorrelationId, isUlid } from "@signalbox/kernel/portable";
import { type Activity, newActivity } from "./activity.js";
import type { Extracted } from "./carrier.js";
import type { Platform } from "./platform.js";
import { settling } from "./settling.js";

/** What ties the journeys of one request or job together. */
export interface Contexts {
  correlate(): Correlated;
  /** Runs `work` in a context of its own. */
  run<T>(brought: Extracted, work: () => T): T;
  /** Puts the rest of the running work into a context of its own. */
  enter(brought: Extracted): void;
}

/** The correlation id that a new run gets. */
export interface Correlated {
  readonly correlationId: string;
  /** The ambient correlation id, where it has another form. */
  readonly ambient: string | undefined;
  /** Whether it was made just now. */
  readonly isNew: boolean;
}

/** Where contexts follow the work. */
export interface ContextPlatform extends Platform {
  /** Puts the rest of the running work into an activity, for hooks that cannot wrap it. */
  enter(activity: Activity, correlationId: string): void;
}

export interface ContextsOptions {
  readonly platform: ContextPlatform;
  readonly correlationFormat: "ulid" | "relaxed";
  /** Whether journeys are brought along from other processes. */
  readonly distributed: boolean;
}

const relaxedPattern = /^[A-Za-z0-9_-]{8,64}$/;

/** Contexts that follow the work, each with a correlation id. */
export function createContexts({ platform, correlationFormat, distributed }: ContextsOptions): Contexts {
  const open = ({ experiences, correlationId }: Extracted): { activity: Activity; correlationId: string } => ({
    activity: newActivity(distributed ? experiences.values() : []),
    correlationId: correlationId ?? platform.ambient().correlationId ?? platform.newUlid(),
  });
  return {
    correlate() {
      const activity = platform.activity();
      const given = platform.ambient().correlationId;
      if (given === undefined) return { correlationId: platform.newUlid(), ambient: undefined, isNew: true };
      const canonical = canonicalCorrelationId(given);
      const fits = isUlid(canonical) || (correlationFormat === "relaxed" && relaxedPattern.test(canonical));
      if (fits) return { correlationId: canonical, ambient: undefined, isNew: false };
      const known = activity?.substitute?.ambient === given ? activity.substitute.correlationId : undefined;
      const correlationId = known ?? platform.newUlid();
      if (activity) activity.substitute = { ambient: given, correlationId };
      return { correlationId, ambient: given, isNew: false };
    },
    run(brought, work) {
      const { activity, correlationId } = open(brought);
      return settling(
        () => platform.runIn(activity, correlationId, work),
        () => {
          activity.active.clear();
          activity.carried.clear();
        },
      );
    },
    enter(brought) {
      const { activity, correlationId } = open(brought);
      platform.enter(activity, correlationId);
    },
  };
}

import { createUlidFactory, isUlid } from "@signalbox/kernel/portable";
import { type Activity, newActivity } from "../activity.js";
import type { Contexts } from "../contexts.js";
import type { Platform, Time } from "../platform.js";
import { rememberError } from "./correlation-tagger.js";

/**
 * A page: one activity for all of it, since nothing tells there which click an awaited answer belongs to. A correlation
 * id lasts until the work that it was given for waits; each journey that is started outside of such work has its own.
 */
export function createPagePlatform(clock: Time): Platform & { readonly page: Activity; readonly contexts: Contexts } {
  const page = newActivity();
  const newUlid = createUlidFactory(() => clock.nowMs());
  const encoder = new TextEncoder();
  let correlationId: string | undefined;
  const runUnder = <T>(id: string, work: () => T): T => {
    const outer = correlationId;
    correlationId = id;
    try {
      return work();
    } finally {
      correlationId = outer;
    }
  };
  const contexts: Contexts = {
    correlate: () => ({ correlationId: correlationId ?? newUlid(), ambient: undefined, isNew: !correlationId }),
    run(brought, work) {
      contexts.enter(brought);
      const id = brought.correlationId ?? correlationId ?? "";
      return runUnder(isUlid(id) ? id : newUlid(), work);
    },
    enter({ experiences }) {
      for (const [id, entry] of experiences) page.carried.set(id, entry);
    },
  };
  return {
    page,
    contexts,
    clock,
    newUlid,
    utf8Bytes: (text) => encoder.encode(text).length,
    activity: () => page,
    runIn: (_activity, id, work) => runUnder(id, work),
    ambient: () => ({ correlationId }),
    errorMarked: rememberError,
  };
}

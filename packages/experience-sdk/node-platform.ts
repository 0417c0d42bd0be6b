import { AsyncLocalStorage } from "node:async_hooks";
import { createHmac, timingSafeEqual } from "node:crypto";
import { type Clock, createUlidFactory, currentContext, enterContext, withContext } from "@signalbox/kernel";
import type { Activity } from "./activity.js";
import type { ContextPlatform } from "./contexts.js";
import type { Extras } from "./extras.js";
import type { Signing } from "./signature.js";

export const nodeSigning: Signing = {
  sign: (secret, text) => createHmac("sha256", secret).update(text).digest("base64url"),
  isSigned(secret, text, signature) {
    const expected = Buffer.from(nodeSigning.sign(secret, text));
    const given = Buffer.from(signature);
    return given.length === expected.length && timingSafeEqual(given, expected);
  },
};

/** Node: activities follow the work through awaits and callbacks. */
export function createNodePlatform(clock: Clock): ContextPlatform {
  const activities = new AsyncLocalStorage<Activity>();
  return {
    clock,
    newUlid: createUlidFactory(() => clock.nowMs()),
    utf8Bytes: (text) => Buffer.byteLength(text),
    activity: () => activities.getStore(),
    runIn(activity, correlationId, work) {
      const inside = (): ReturnType<typeof work> => activities.run(activity, work);
      return currentContext().correlationId === correlationId ? inside() : withContext({ correlationId }, inside);
    },
    enter(activity, correlationId) {
      activities.enterWith(activity);
      const context = currentContext();
      if (context.correlationId !== correlationId) enterContext({ ...context, correlationId });
    },
    ambient: currentContext,
    meta: ambientMeta,
  };
}

/** Member of the context's metadata that holds journeys for those who handle an event. */
export const contextMember = "covered_experiences";

function ambientMeta(ambientCorrelationId: string | undefined): Extras | undefined {
  const { meta, rootCaller } = currentContext();
  if (meta === undefined && rootCaller === undefined && ambientCorrelationId === undefined) return undefined;
  const { [contextMember]: _, ...told } = meta ?? {};
  return {
    ...told,
    ...(rootCaller === undefined ? {} : { root_caller_id: rootCaller }),
    ...(ambientCorrelationId === undefined ? {} : { ambient_correlation_id: ambientCorrelationId }),
  };
}

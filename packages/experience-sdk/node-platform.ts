import { AsyncLocalStorage } from "node:async_hooks";
import { createHmac, timingSafeEqual } from "node:crypto";
import { type Clock, createUlidFactory, currentContext, enterContext, withContext } from "@signalbox/kernel";
import type { Activity } from "./activity.js";
import type { Platform } from "./platform.js";

/** Node: activities follow the work through awaits and callbacks. */
export function createNodePlatform(clock: Clock): Platform {
  const activities = new AsyncLocalStorage<Activity>();
  const sign = (secret: string, text: string): string => createHmac("sha256", secret).update(text).digest("base64url");
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
    sign,
    isSigned(secret, text, signature) {
      const expected = Buffer.from(sign(secret, text));
      const given = Buffer.from(signature);
      return given.length === expected.length && timingSafeEqual(given, expected);
    },
  };
}

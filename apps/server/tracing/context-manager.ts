import { AsyncLocalStorage } from "node:async_hooks";
import { type Context, type ContextManager, ROOT_CONTEXT } from "@opentelemetry/api";

/** Lets OpenTelemetry's context follow asynchronous work. */
export function createContextManager(): ContextManager {
  const storage = new AsyncLocalStorage<Context>();
  const manager: ContextManager = {
    active: () => storage.getStore() ?? ROOT_CONTEXT,
    with: (context, work, self, ...args) => storage.run(context, () => Reflect.apply(work, self, args)),
    bind(context, target) {
      if (typeof target !== "function") return target;
      const bound = (...args: unknown[]): unknown => storage.run(context, () => Reflect.apply(target, undefined, args));
      return Object.assign(bound, target);
    },
    enable: () => manager,
    disable() {
      storage.disable();
      return manager;
    },
  };
  return manager;
}

import { AsyncLocalStorage } from "node:async_hooks";

/** What travels with a piece of work, through awaits, queues and processes. */
export interface Context {
  readonly correlationId?: string | undefined;
  /** Id of the event that is being handled. */
  readonly causationId?: string | undefined;
  /** `meta.caller_id` at the root of the chain. */
  readonly rootCaller?: string | undefined;
  readonly traceparent?: string | undefined;
  readonly tracestate?: string | undefined;
  readonly userId?: string | undefined;
  readonly userName?: string | undefined;
  readonly actorId?: string | undefined;
  readonly organizationId?: string | undefined;
  /** Log metadata: `user`, `project`, `caller_id`, `feature_category`, … Written as `meta.*`. */
  readonly meta?: Readonly<Record<string, string>> | undefined;
}

const emptyContext: Context = Object.freeze({});

// One store per process, however many copies of this package are installed: an application and a library
// that each bring their own copy still see one context.
const storeKey = Symbol.for("signalbox.context.v1");
const globals = globalThis as { [storeKey]?: AsyncLocalStorage<Context> };
globals[storeKey] ??= new AsyncLocalStorage<Context>();
const storage = globals[storeKey];

/** The context of the running work; empty at the root. */
export function currentContext(): Context {
  return storage.getStore() ?? emptyContext;
}

/**
 * Runs `work` in the current context changed by `changes`; `meta` is merged key by key. A property that is given as
 * `undefined` is taken away, one that is not given stays.
 */
export function withContext<T>(changes: Context, work: () => T): T {
  const current = currentContext();
  const meta = current.meta || changes.meta ? Object.freeze({ ...current.meta, ...changes.meta }) : undefined;
  return storage.run(Object.freeze({ ...current, ...changes, meta }), work);
}

/** Runs `work` in exactly this context: nothing of the current one shines through. */
export function inContext<T>(context: Context, work: () => T): T {
  return storage.run(frozen(context), work);
}

/** Sets the context for the rest of the current asynchronous execution, as an HTTP hook needs it. */
export function enterContext(context: Context): void {
  storage.enterWith(frozen(context));
}

/** The context itself when nobody can change it any more: a copy costs ten times what entering it does. */
function frozen(context: Context): Context {
  return Object.isFrozen(context) ? context : Object.freeze({ ...context });
}

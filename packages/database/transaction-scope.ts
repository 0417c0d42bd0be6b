import { AsyncLocalStorage } from "node:async_hooks";

/** The mark that an open transaction leaves on everything that runs inside its callback. */
export interface TransactionScope {
  /** The database; `undefined` for transactions that were opened elsewhere. */
  readonly owner: object | undefined;
  /** False for a connection that is merely borrowed. */
  readonly transaction: boolean;
  readonly outer: TransactionScope | undefined;
  /** False once the transaction has ended, however long its timers and promises live on. */
  open: boolean;
  /** To be woken once the transaction is committed. */
  readonly channels: Set<string>;
  /** To be called once the transaction is committed. */
  readonly callbacks: (() => void)[];
}

// One store per process, however many copies of this package are installed.
const storeKey = Symbol.for("signalbox.transaction-scope.v1");
const globals = globalThis as { [storeKey]?: AsyncLocalStorage<TransactionScope> };
globals[storeKey] ??= new AsyncLocalStorage<TransactionScope>();
const storage = globals[storeKey];

/** True while the running code is inside the callback of an open transaction, of any database. */
export function inTransaction(): boolean {
  for (let scope = storage.getStore(); scope; scope = scope.outer) {
    if (scope.open && scope.transaction) return true;
  }
  return false;
}

/** Marks `work` as inside a transaction that was opened without the port, as with a `pg` client of one's own. */
export async function withTransactionScope<T>(work: () => Promise<T>): Promise<T> {
  const scope = createScope(undefined, true);
  try {
    return await storage.run(scope, work);
  } finally {
    scope.open = false;
  }
}

export function createScope(owner: object | undefined, transaction: boolean): TransactionScope {
  return { owner, transaction, outer: storage.getStore(), open: true, channels: new Set(), callbacks: [] };
}

export function runInScope<T>(scope: TransactionScope, work: () => T): T {
  return storage.run(scope, work);
}

/** The innermost open scope of this database around the running code. */
export function openScopeOf(owner: object): TransactionScope | undefined {
  for (let scope = storage.getStore(); scope; scope = scope.outer) {
    if (scope.open && scope.owner === owner) return scope;
  }
  return undefined;
}

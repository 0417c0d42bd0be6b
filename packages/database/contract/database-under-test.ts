import type { Database } from "../database.js";

/** A new, empty database on the adapter under test. */
export interface DatabaseUnderTest {
  readonly database: Database;
  /** Opens the same data once more, as another process would. */
  openAnother(): Promise<Database>;
  /** Closes everything and removes the data. */
  destroy(): Promise<void>;
}

export interface DatabaseContractOptions {
  readonly name: string;
  create(): Promise<DatabaseUnderTest>;
  /** Promises this adapter does not make. */
  readonly cannot?: readonly "wake other processes"[];
}

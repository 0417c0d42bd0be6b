/** Statements of one owner, applied in order and recorded in the engine itself. */
export interface AnalyticsMigrationSet {
  /** Unique over the product, for example `error-tracking`. */
  readonly name: string;
  readonly migrations: readonly AnalyticsMigration[];
}

export interface AnalyticsMigration {
  /** Unique in its set; never renamed or changed once released. */
  readonly name: string;
  /** DDL in the dialect of both engines. Each statement must be harmless when repeated (`IF NOT EXISTS` …). */
  readonly statements: readonly string[];
}

export interface AppliedAnalyticsMigration {
  readonly set: string;
  readonly migration: string;
}

import { SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import type { Database } from "@signalbox/database";

/** The same database with a span for each call, where a trace is under way. Values of statements are not told. */
export function traceDatabase(database: Database): Database {
  const { engine } = database;
  const traced = async <T>(name: string, statement: string | undefined, work: () => Promise<T>): Promise<T> => {
    if (!trace.getActiveSpan()) return work();
    const span = trace.getTracer("signalbox").startSpan(`${engine} ${name}`, {
      kind: SpanKind.CLIENT,
      attributes: { "db.system.name": engine, ...(statement !== undefined && { "db.query.text": statement }) },
    });
    try {
      return await work();
    } catch (error) {
      span.recordException(error instanceof Error ? error : String(error));
      span.setStatus({ code: SpanStatusCode.ERROR });
      throw error;
    } finally {
      span.end();
    }
  };
  return {
    engine,
    as: () => database.as(),
    reader: () => database.reader(),
    transaction: (work, options) => traced("transaction", undefined, () => database.transaction(work, options)),
    commitTogether: (work) => traced("commit", undefined, () => database.commitTogether(work)),
    runMany: (sql, rows, transaction) => traced("run", sql, () => database.runMany(sql, rows, transaction)),
    batch: (statements, transaction) =>
      traced("batch", statements.map(({ sql }) => sql).join(";\n"), () => database.batch(statements, transaction)),
    run: (sql, values, transaction) => traced("run", sql, () => database.run(sql, values, transaction)),
    afterCommit: (work) => database.afterCommit(work),
    notify: (channel) => database.notify(channel),
    listen: (channel, onNotify) => database.listen(channel, onNotify),
    ping: (signal) => database.ping(signal),
    close: () => database.close(),
  };
}

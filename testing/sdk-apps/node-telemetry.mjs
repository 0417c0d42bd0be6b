// A program that sends what is counted and not kept, beside an error: a transaction, logs and metrics.
import * as Sentry from "@sentry/node";

Sentry.init({ dsn: process.env.SENTRY_DSN, release: "shop@2.1.0", tracesSampleRate: 1, enableLogs: true });

Sentry.logger.info("the shop opens");
Sentry.logger.error(Sentry.logger.fmt`order ${17} is lost`);
Sentry.metrics.count("orders", 1);
Sentry.metrics.distribution("basket", 12);
Sentry.startSpan({ name: "check out", op: "task" }, () => Sentry.startSpan({ name: "look up" }, () => {}));
Sentry.captureException(new Error("the basket is empty"));
await Sentry.close(10_000);

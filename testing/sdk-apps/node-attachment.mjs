// A program that reports an error by hand, with an attachment and so much context that the SDK compresses what it sends.
import * as Sentry from "@sentry/node";

Sentry.init({ dsn: process.env.SENTRY_DSN, maxValueLength: 100_000 });

Sentry.withScope((scope) => {
  scope.addAttachment({ filename: "basket.txt", data: "two apples\nno pears", contentType: "text/plain" });
  scope.setTag("correlation_id", process.argv[2] ?? "none");
  scope.setContext("basket", { items: Array.from({ length: 2000 }, (_, n) => `apple ${n} is red`).join(", ") });
  Sentry.captureException(new TypeError("the basket has no handle"));
});
await Sentry.close(10_000);

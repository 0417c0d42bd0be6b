// A program that knows nothing but its DSN: it reports many errors one after the other, then a remark of a user.
import * as Sentry from "@sentry/node";

Sentry.init({ dsn: process.env.SENTRY_DSN });

for (let number = 1; number <= Number(process.argv[2] ?? 10); number++) {
  Sentry.captureException(new RangeError(`the basket number ${number} is empty`));
  await Sentry.flush(5_000);
}
Sentry.captureFeedback({ message: "the basket is always empty" });
await Sentry.flush(5_000);
await Sentry.close(5_000);

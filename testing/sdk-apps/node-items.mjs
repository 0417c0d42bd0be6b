// A program that sends what is no event: a session, the check-ins of a job, and what a user says, with a picture.
import * as Sentry from "@sentry/node";

Sentry.init({
  dsn: process.env.SENTRY_DSN,
  release: "shop@2.1.0",
  environment: "staging",
});

Sentry.startSession();
Sentry.withMonitor("nightly backup", () => "done", {
  schedule: { type: "crontab", value: "0 3 * * *" },
  checkinMargin: 5,
  maxRuntime: 10,
  timezone: "Europe/Berlin",
});
const eventId = Sentry.captureException(new Error("the basket is empty"));
Sentry.captureFeedback(
  {
    message: "My basket is empty again",
    name: "Ann",
    email: "ann@example.com",
    url: "https://shop.example/basket",
    associatedEventId: eventId,
  },
  { attachments: [{ filename: "screen.png", data: new Uint8Array([137, 80, 78, 71]), contentType: "image/png" }] },
);
// The session hears of errors when they are sent.
await Sentry.flush(10_000);
Sentry.endSession();
await Sentry.close(10_000);

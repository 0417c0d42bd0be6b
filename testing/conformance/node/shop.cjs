// For every major version of the SDK: what is called differently in some is looked for.
const Sentry = require("@sentry/node");
const { EventEmitter } = require("node:events");

class BasketError extends Error {
  name = "BasketError";
}

function checkOut() {
  throw new BasketError("the basket is empty");
}

function openShop() {
  // Frames of the platform stand between this one and the last.
  new EventEmitter().on("open", checkOut).emit("open");
}

/** Older versions have sessions at their hub. */
const session = () => (Sentry.startSession ? Sentry : Sentry.getCurrentHub());

Sentry.init({ dsn: process.env.SENTRY_DSN, release: "shop@2.3.4" });
session().startSession();
Sentry.setUser({ id: "buyer-7", username: "buyer" });
Sentry.setTag("basket", "green");
Sentry.addBreadcrumb({ category: "shop", message: "the shop opens", level: "info" });

Sentry.withScope((scope) => {
  scope.addAttachment?.({ filename: "basket.txt", data: "two apples", contentType: "text/plain" });
  try {
    openShop();
  } catch (error) {
    Sentry.captureException(error);
  }
});
Sentry.captureMessage("the shop closes", "warning");
// The session hears of errors when they are sent.
void Sentry.flush(10_000).then(() => {
  session().endSession();
  return Sentry.close(10_000);
});

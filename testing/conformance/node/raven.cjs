const Raven = require("raven");
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

// It wants the secret half that DSNs had in its time, and gives up after one second where it is not told otherwise.
const options = { release: "shop@2.3.4", sendTimeout: 30 };
Raven.config(process.env.SENTRY_DSN.replace("@", ":secret@"), options).install();
Raven.mergeContext({ user: { id: "buyer-7", username: "buyer" }, tags: { basket: "green" } });
Raven.context(() => {
  Raven.captureBreadcrumb({ category: "shop", message: "the shop opens", level: "info" });
  try {
    openShop();
  } catch (error) {
    Raven.captureException(error);
  }
  Raven.captureMessage("the shop closes", { level: "warning" });
});

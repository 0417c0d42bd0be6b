// A page of a shop whose check-out throws; the SDK is set up by what the page says and reports.
import * as Sentry from "@sentry/browser";

Sentry.init(JSON.parse(document.getElementById("sentry-options").textContent));

/** What the SDK made of the answers to its events, in order; `{}` where it sent nothing. */
globalThis.sentryAnswers = [];
Sentry.getClient().on("afterSendEvent", (_event, answer) => globalThis.sentryAnswers.push(answer));

function checkOut(basket) {
  if (basket.handle === undefined) throw new TypeError("the basket has no handle");
  return basket;
}

const basket = { items: [] };
document.getElementById("add").addEventListener("click", () => basket.items.push("apple"));
document.getElementById("check-out").addEventListener("click", () => checkOut(basket));

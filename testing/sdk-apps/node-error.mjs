// A program that knows nothing but its DSN: it throws, the SDK reports.
import * as Sentry from "@sentry/node";

Sentry.init({ dsn: process.env.SENTRY_DSN });

function checkOut(basket) {
  if (basket.length === 0) throw new RangeError(process.argv[2] ?? "the basket is empty");
  return basket;
}

function payInvoice(invoice) {
  return invoice.lines.map((line) => line.amount);
}

if (process.argv[3] === "other") payInvoice({});
else checkOut([]);

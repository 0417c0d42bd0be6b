import type { TransactionHandle } from "@signalbox/database";
import { errorCode } from "@signalbox/kernel";
import { EventStoreError } from "./errors.js";

/** @throws {EventStoreError} `EVT_TRANSACTION_CLOSED` for anything that is no transaction. */
export function readTransaction(value: unknown): TransactionHandle {
  if (isHandle(value)) return value;
  throw new EventStoreError("EVT_TRANSACTION_CLOSED", {
    message: "`transaction` must be an open transaction of the event store's database",
  });
}

function isHandle(value: unknown): value is TransactionHandle {
  return (
    typeof value === "object" &&
    value !== null &&
    "isTransaction" in value &&
    value.isTransaction === true &&
    "getExecutor" in value &&
    typeof value.getExecutor === "function"
  );
}

/** What the database says about a bad transaction, in the words of the event store; other errors as they are. */
export function translateTransactionError(error: unknown): unknown {
  switch (errorCode(error)) {
    case "DATABASE_TRANSACTION_ENDED":
      return new EventStoreError("EVT_TRANSACTION_CLOSED", { cause: error });
    case "DATABASE_WRONG_HANDLE":
      return new EventStoreError("EVT_TRANSACTION_FOREIGN", { cause: error });
    default:
      return error;
  }
}

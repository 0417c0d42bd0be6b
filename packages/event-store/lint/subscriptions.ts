import type { CallExpression, ObjectExpression } from "estree";
import { calledName, objectAt, propertyOf, receiverOf } from "./syntax.js";

/** The options of `registry.subscribe(subscriber, { to, … })`; `undefined` for any other call. */
export function subscriptionOptions(call: CallExpression): ObjectExpression | undefined {
  if (calledName(call) !== "subscribe" || !receiverOf(call)) return undefined;
  const options = objectAt(call, 1);
  return options && propertyOf(options, "to") ? options : undefined;
}

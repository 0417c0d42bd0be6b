import type { CallExpression, Node } from "estree";
import { isPublish } from "./publishing.js";
import { defineRule } from "./rule.js";
import { ancestorsOf, bare, calledName, hasSpread, isFunction, parentOf, propertyOf, receiverOf } from "./syntax.js";

export const noPublishInTransaction = defineRule({
  name: "no-publish-in-transaction",
  description: "What is published inside a transaction is part of it",
  recommended: true,
  messages: {
    outside:
      "Subscribers would hear of this even if the transaction is rolled back. Pass `{ transaction }`, or `{ afterCommit: true }`.",
  },
  create(context) {
    return {
      CallExpression(call) {
        if (!isPublish(call, context) || takesPart(call)) return;
        if ([...ancestorsOf(call)].some(isTransactionCallback)) context.report({ node: call, messageId: "outside" });
      },
    };
  },
});

/** Options that cannot be read are given the benefit of the doubt. */
function takesPart({ arguments: [, options] }: CallExpression): boolean {
  if (!options) return false;
  const object = bare(options);
  if (object.type !== "ObjectExpression") return true;
  return (
    hasSpread(object) ||
    propertyOf(object, "transaction") !== undefined ||
    propertyOf(object, "afterCommit") !== undefined
  );
}

/** A function given to `.transaction(…)`, or to a call further along its chain, as in `.transaction().execute(…)`. */
function isTransactionCallback(node: Node): boolean {
  const call = parentOf(node);
  if (!isFunction(node) || call?.type !== "CallExpression" || call.callee === node) return false;
  for (let one: Node | undefined = call; one?.type === "CallExpression"; one = receiverOf(one)) {
    if (calledName(one) === "transaction") return true;
  }
  return false;
}

import type { CallExpression, Node, VariableDeclarator } from "estree";
import { isPublish } from "./publishing.js";
import { defineRule } from "./rule.js";
import { bare, calledName, isWrapper, parentOf, propertyName, receiverOf, walk } from "./syntax.js";

const matchers = new Set(["toPublishEvent", "toPublishEvents"]);
/** Asynchronous functions of the test kit that pass silently when nobody waits for them. */
const assertions = new Set([
  "assertPublishes",
  "assertPublishesNothing",
  "assertSubscribesToEvent",
  "assertIgnoresEvent",
  "assertIdempotentSubscriber",
  "assertEventWithSchema",
  "consumeEvent",
  "recordEvents",
  "trackedSession",
]);
const chained = new Set(["then", "catch", "finally"]);

export const noFloatingPublish = defineRule({
  name: "no-floating-publish",
  description: "Somebody waits for what is published",
  recommended: true,
  messages: {
    floating:
      "Nobody waits for `{{name}}`: its failure would go unnoticed. Await it, return it, or give it to `Promise.all`.",
  },
  create(context) {
    return {
      CallExpression(call) {
        const name = calledName(call);
        if (name === undefined || !(isPublish(call, context) || isAssertion(call, name))) return;
        if (isFloating(call)) context.report({ node: call, messageId: "floating", data: { name } });
      },
    };
  },
});

function isAssertion(call: CallExpression, name: string): boolean {
  return receiverOf(call) ? matchers.has(name) : assertions.has(name);
}

/** True when the value of the expression goes nowhere. */
function isFloating(node: Node): boolean {
  const parent = parentOf(node);
  if (!parent) return false;
  if (isWrapper(parent)) return isFloating(parent);
  switch (parent.type) {
    case "ExpressionStatement":
      return true;
    case "UnaryExpression":
      return parent.operator === "void";
    case "LogicalExpression":
      return parent.right === node && isFloating(parent);
    case "ConditionalExpression":
      return parent.test !== node && isFloating(parent);
    case "SequenceExpression":
      return parent.expressions.at(-1) !== node || isFloating(parent);
    case "MemberExpression": {
      // What `.then` or `.catch` returns is as much a promise as what they are called on.
      const call = callOf(parent);
      return call !== undefined && chained.has(propertyName(parent) ?? "") && isFloating(call);
    }
    case "VariableDeclarator":
      return !isRead(parent);
    default:
      return false;
  }
}

function callOf(callee: Node): Node | undefined {
  const parent = parentOf(callee);
  return parent?.type === "CallExpression" && bare(parent.callee) === callee ? parent : undefined;
}

/** Whether the variable is named again where it can be seen. */
function isRead(declarator: VariableDeclarator): boolean {
  const { id } = declarator;
  if (id.type !== "Identifier") return true;
  const declaration = parentOf(declarator);
  const block = declaration && parentOf(declaration);
  // Exported names are read elsewhere.
  if (!block || block.type === "ExportNamedDeclaration") return true;
  for (const node of walk(block)) if (node.type === "Identifier" && node.name === id.name && node !== id) return true;
  return false;
}

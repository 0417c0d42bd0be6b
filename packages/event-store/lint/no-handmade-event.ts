import type { Node } from "estree";
import { isPublish } from "./publishing.js";
import { defineRule } from "./rule.js";
import { bare, calledName, propertyName, propertyOf, receiverOf } from "./syntax.js";

export const noHandmadeEvent = defineRule({
  name: "no-handmade-event",
  description: "Events are made by their definition, and do not change",
  recommended: false,
  messages: {
    handmade: "An event is made by the `create` of its definition, which checks its data; the store refuses this one.",
    changed: "An event says what happened and is frozen. Copy what you need.",
  },
  create(context) {
    const checkTarget = (target: Node, node: Node): void => {
      if (isEventData(target)) context.report({ node, messageId: "changed" });
    };
    return {
      CallExpression(call) {
        const [first] = call.arguments;
        if (!first) return;
        if (isPublish(call, context)) {
          const argument = bare(first);
          for (const item of argument.type === "ArrayExpression" ? argument.elements : [argument]) {
            const object = item && bare(item);
            if (object?.type === "ObjectExpression" && propertyOf(object, "specversion"))
              context.report({ node: object, messageId: "handmade" });
          }
          return;
        }
        const receiver = receiverOf(call);
        if (receiver?.type === "Identifier" && receiver.name === "Object" && calledName(call) === "assign")
          checkTarget(first, call);
      },
      AssignmentExpression: (node) => checkTarget(node.left, node),
      UpdateExpression: (node) => checkTarget(node.argument, node),
      UnaryExpression(node) {
        if (node.operator === "delete") checkTarget(node.argument, node);
      },
    };
  },
});

/** `event.data`, or something inside of it. */
function isEventData(node: Node): boolean {
  const inner = bare(node);
  if (inner.type !== "MemberExpression") return false;
  return (propertyName(inner) === "data" && isEvent(inner.object)) || isEventData(inner.object);
}

/** By its name: `event`, `createdEvent`, `events[0]`. */
function isEvent(node: Node): boolean {
  const inner = bare(node);
  if (inner.type === "Identifier") return /^event$|Event$/.test(inner.name);
  if (inner.type !== "MemberExpression" || !inner.computed) return false;
  const list = bare(inner.object);
  return list.type === "Identifier" && /^events$|Events$/.test(list.name);
}

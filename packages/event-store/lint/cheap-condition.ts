import type { CallExpression, Node } from "estree";
import { defineRule, programOf, textListOption, textLists } from "./rule.js";
import { subscriptionOptions } from "./subscriptions.js";
import { type AnyFunction, bare, calledName, isFunction, propertyOf, topLevelFunction, walk } from "./syntax.js";

const ioByDefault = ["fetch", "query", "execute", "readFileSync", "publish"];
const loops = new Set(["ForStatement", "ForInStatement", "ForOfStatement", "WhileStatement", "DoWhileStatement"]);

export const cheapCondition = defineRule({
  name: "cheap-condition",
  description: "A condition looks at the event and at nothing else",
  recommended: true,
  messages: {
    dear: "{{what}} does not belong into a condition, which runs on every publish, in the publisher's time. Decide it in the handler.",
  },
  schema: textLists("io"),
  create(context) {
    const io = new Set(textListOption(context, "io") ?? ioByDefault);
    return {
      CallExpression(call) {
        const options = subscriptionOptions(call);
        const condition = options && propertyOf(options, "if");
        if (!condition) return;
        const value = bare(condition.value);
        const body =
          value.type === "Identifier" ? topLevelFunction(programOf(context), value) : isFunction(value) && value;
        if (!body) return;
        // A function that stands elsewhere is told of where it is used: there it is a condition.
        for (const { node, what } of dearParts(body, io))
          context.report({ node: body === value ? node : condition, messageId: "dear", data: { what } });
      },
    };
  },
});

function* dearParts(condition: AnyFunction, io: ReadonlySet<string>): Generator<{ node: Node; what: string }> {
  for (const node of walk(condition)) {
    if (isFunction(node) && node.async === true) yield { node, what: "`async`" };
    else if (node.type === "AwaitExpression") yield { node, what: "`await`" };
    else if (loops.has(node.type)) yield { node, what: "A loop" };
    else if (node.type === "ImportExpression") yield { node, what: "`import()`" };
    else if (node.type === "NewExpression" && node.callee.type === "Identifier" && node.callee.name === "Promise")
      yield { node, what: "A promise" };
    else if (node.type === "CallExpression") yield* dearCall(node, io);
  }
}

function* dearCall(call: CallExpression, io: ReadonlySet<string>): Generator<{ node: Node; what: string }> {
  const name = calledName(call);
  if (name === "then" && bare(call.callee).type === "MemberExpression") yield { node: call, what: "`.then`" };
  else if (name !== undefined && io.has(name)) yield { node: call, what: `A call of \`${name}\`` };
}

import type { Node } from "estree";
import { Imports } from "./imports.js";
import { isPublish } from "./publishing.js";
import { defineRule, programOf, type RuleContext } from "./rule.js";
import { contextOf, pathOf } from "./settings.js";
import { bare, calledName, receiverOf, textOf, walk } from "./syntax.js";

export const publishInOwnContext = defineRule({
  name: "publish-in-own-context",
  description: "An event is published by the context that it belongs to",
  recommended: true,
  messages: {
    foreign: "`{{name}}` is an event of context {{other}}, so only that context can know that it happened.",
  },
  create(context) {
    const imports = new Imports(context);
    const own = contextOf(context, pathOf(context));
    if (own === undefined) return {};
    return {
      CallExpression(call) {
        const [argument] = call.arguments;
        if (!argument || !isPublish(call, context)) return;
        for (const { name, node } of createdEvents(argument)) {
          const other = imports.foreignContextOf(name) ?? localContext(context, imports, name);
          if (other !== undefined && other !== own)
            context.report({ node, messageId: "foreign", data: { name, other } });
        }
      },
    };
  },
});

/** `X` of every `X.create(…)` in what is published, also in lists and in functions that make lists. */
function* createdEvents(argument: Node): Generator<{ readonly name: string; readonly node: Node }> {
  for (const node of walk(argument)) {
    if (node.type !== "CallExpression" || calledName(node) !== "create") continue;
    const definition = receiverOf(node);
    if (definition?.type === "Identifier") yield { name: definition.name, node };
  }
}

/** The context in the type of an event that the file defines itself. */
function localContext(context: RuleContext, imports: Imports, name: string): string | undefined {
  for (const statement of programOf(context).body) {
    const declared =
      statement.type === "ExportNamedDeclaration" && statement.declaration ? statement.declaration : statement;
    if (declared.type !== "VariableDeclaration") continue;
    for (const { id, init } of declared.declarations) {
      if (id.type !== "Identifier" || id.name !== name || !init) continue;
      const call = bare(init);
      if (call.type === "CallExpression" && imports.isCallOf(call, "defineEvent"))
        return textOf(call.arguments[0])?.split(".")[0];
    }
  }
  return undefined;
}

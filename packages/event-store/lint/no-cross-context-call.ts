import type { CallExpression, NewExpression, Node } from "estree";
import { Imports } from "./imports.js";
import { defineRule } from "./rule.js";
import { contextOf, pathOf, settingsOf, subscribersOf } from "./settings.js";
import { bare, calledName, propertyName, textOf, walk } from "./syntax.js";

const handlers = new Set(["handle", "handleBatch"]);
const workerPath = /(^|\/)(subscribers?|workers?)(\/|$)|[-_.]?(subscriber|worker)s?(\.[cm]?[jt]sx?)?$/i;
const workerName = /(Subscriber|Worker)$/;
const queueClasses = new Set(["Queue", "FlowProducer"]);

export const noCrossContextCall = defineRule({
  name: "no-cross-context-call",
  description: "Work of another context is asked for by an event, never by calling its worker",
  recommended: true,
  messages: {
    import: "`{{name}}` is a subscriber of context {{other}}. Publish an event that it can subscribe to instead.",
    call: "This calls a handler of context {{other}}. Publish an event that it can subscribe to instead.",
    enqueue: "This enqueues work for {{name}} of context {{other}}. Publish an event that it can subscribe to instead.",
  },
  create(context) {
    const imports = new Imports(context);
    const path = pathOf(context);
    const own = contextOf(context, path);
    if (own === undefined) return {};
    const { contexts = {} } = settingsOf(context);

    /** The context of another's subscriber, by its name. */
    const foreignSubscriber = (name: string | undefined): string | undefined => {
      const other = name?.split(".")[0];
      if (name === undefined || !name.includes(".") || other === undefined) return undefined;
      if (other === own || !Object.hasOwn(contexts, other)) return undefined;
      const known = subscribersOf(context);
      return !known || known.has(name) ? other : undefined;
    };

    const checkEnqueue = (node: CallExpression | NewExpression): void => {
      for (const text of queueNames(node)) {
        const other = foreignSubscriber(text);
        if (other === undefined || text === undefined) continue;
        context.report({ node, messageId: "enqueue", data: { name: text, other } });
        return;
      }
    };

    return {
      ImportDeclaration(declaration) {
        if ("importKind" in declaration && declaration.importKind === "type") return;
        const other = contextOf(context, imports.pathOf(declaration));
        if (other === undefined || other === own) return;
        const fromWorkers = workerPath.test(imports.pathOf(declaration));
        for (const specifier of declaration.specifiers) {
          if ("importKind" in specifier && specifier.importKind === "type") continue;
          const { name } = specifier.local;
          if (fromWorkers || workerName.test(imports.of(name)?.imported ?? name))
            context.report({ node: specifier, messageId: "import", data: { name, other } });
        }
      },
      CallExpression(call) {
        const name = calledName(call);
        if (name !== undefined && handlers.has(name)) {
          const other = imports.foreignContextOf(rootName(call.callee) ?? "");
          if (other !== undefined) context.report({ node: call, messageId: "call", data: { other } });
        } else if (name === "enqueue") checkEnqueue(call);
      },
      NewExpression(node) {
        if (node.callee.type === "Identifier" && queueClasses.has(node.callee.name)) checkEnqueue(node);
      },
    };
  },
});

/** `worker` of `worker.options.handle`. */
function rootName(node: Node): string | undefined {
  const inner = bare(node);
  if (inner.type === "Identifier") return inner.name;
  return inner.type === "MemberExpression" ? rootName(inner.object) : undefined;
}

/** A queue is named by the first argument, or by `subscriber` or `queue` of what is enqueued. */
function* queueNames(call: CallExpression | NewExpression): Generator<string | undefined> {
  yield textOf(call.arguments[0]);
  for (const argument of call.arguments)
    for (const node of walk(argument))
      if (node.type === "Property" && /^(subscriber|queue)$/.test(propertyName(node) ?? "")) yield textOf(node.value);
}

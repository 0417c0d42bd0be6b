import type { Identifier, Node } from "estree";
import { defineRule } from "./rule.js";
import { subscriptionOptions } from "./subscriptions.js";
import { type AnyFunction, ancestorsOf, isFunction, isWrapper, parentOf, propertyName, receiverOf } from "./syntax.js";

export const configureOnlySubscribe = defineRule({
  name: "configure-only-subscribe",
  description: "Subscriptions are made in configure functions",
  recommended: true,
  messages: {
    outside:
      "Subscriptions are made while the store is created. Move this into a configure function: one whose name begins with `configure`, whose type is `Configure`, that is given as `configure`, or that such a function returns.",
  },
  create(context) {
    return {
      CallExpression(call) {
        if (!subscriptionOptions(call)) return;
        const registry = receiverOf(call);
        const configured = [...ancestorsOf(call)].some(
          (node) => isFunction(node) && isConfigure(node) && registry?.type === "Identifier" && takes(node, registry),
        );
        if (!configured) context.report({ node: call, messageId: "outside" });
      },
    };
  },
});

function takes({ params: [first] }: AnyFunction, { name }: Identifier): boolean {
  return first?.type === "Identifier" && first.name === name;
}

function isConfigure(node: AnyFunction): boolean {
  const [first] = node.params;
  if (first && typeName(first) === "Registry") return true;
  return isNamedConfigure(node) || [...makersOf(node)].some(isNamedConfigure);
}

function isNamedConfigure(node: AnyFunction): boolean {
  if (typeName(node, "returnType") === "Configure" || ("id" in node && node.id && /^configure/i.test(node.id.name)))
    return true;
  let holder = parentOf(node);
  while (holder && (isWrapper(holder) || holder.type === "ArrayExpression")) {
    if (typeName(holder) === "Configure") return true;
    holder = parentOf(holder);
  }
  if (holder?.type === "Property" || holder?.type === "MethodDefinition" || holder?.type === "PropertyDefinition")
    return /^configure/i.test(keyName(holder) ?? "");
  if (holder?.type === "VariableDeclarator" && holder.id.type === "Identifier")
    return /^configure/i.test(holder.id.name) || typeName(holder.id) === "Configure";
  return false;
}

/** The function that returns this one, and those that return that. */
function* makersOf(node: AnyFunction): Generator<AnyFunction> {
  const holder = parentOf(node);
  const maker = holder?.type === "ReturnStatement" ? [...ancestorsOf(holder)].find((one) => isFunction(one)) : holder;
  if (!isFunction(maker) || (holder === maker && maker.body !== node)) return;
  yield maker;
  yield* makersOf(maker);
}

function keyName(node: Node): string | undefined {
  if (node.type === "Property") return propertyName(node);
  return "key" in node && node.key?.type === "Identifier" ? node.key.name : undefined;
}

/** The name of a type annotation in TypeScript, which ESTree does not know. */
function typeName(node: Node, place: "typeAnnotation" | "returnType" = "typeAnnotation"): string | undefined {
  const { [place]: typeAnnotation } = node as { readonly [Place in typeof place]?: TypeAnnotation };
  const type = typeAnnotation?.typeAnnotation ?? typeAnnotation;
  const named = type?.typeName;
  return named?.right?.name ?? named?.name;
}

interface TypeAnnotation {
  readonly typeAnnotation?: TypeAnnotation;
  readonly typeName?: { readonly name?: string; readonly right?: { readonly name?: string } };
}

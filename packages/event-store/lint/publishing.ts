import type { CallExpression, Node } from "estree";
import { matchesGlob } from "./globs.js";
import type { RuleContext } from "./rule.js";
import { settingsOf } from "./settings.js";
import { bare, calledName, propertyName, propertyOf, receiverOf, textOf } from "./syntax.js";

/**
 * `publish` or `publishGroup` of an event store. Other things have a `publish`, too: that of a message broker takes the
 * text of a subject or channel first; the setting `stores` tells the rest.
 */
export function isPublish(call: CallExpression, context: RuleContext): boolean {
  const [first] = call.arguments;
  const name = calledName(call);
  const receiver = receiverOf(call);
  if ((name !== "publish" && name !== "publishGroup") || !receiver || !first || call.arguments.length > 2) return false;
  const { stores } = settingsOf(context);
  if (stores && !matchesGlob(lastName(receiver) ?? "", stores)) return false;
  const argument = bare(first);
  // A bare object is no event either, unless somebody has tried to make one by hand.
  if (argument.type === "ObjectExpression") return propertyOf(argument, "specversion") !== undefined;
  return argument.type !== "TemplateLiteral" && textOf(argument) === undefined;
}

/** `store` of `this.#store`, of `forge.store` and of `store`. */
function lastName(node: Node): string | undefined {
  if (node.type === "Identifier") return node.name;
  if (node.type !== "MemberExpression") return undefined;
  return node.property.type === "PrivateIdentifier" ? node.property.name : propertyName(node);
}

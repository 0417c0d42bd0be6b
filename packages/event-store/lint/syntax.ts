import type {
  ArrowFunctionExpression,
  CallExpression,
  FunctionDeclaration,
  FunctionExpression,
  Identifier,
  MemberExpression,
  Node,
  ObjectExpression,
  Property,
} from "estree";

export type AnyFunction = ArrowFunctionExpression | FunctionDeclaration | FunctionExpression;

/** The node without type assertions, parentheses and the like around it. */
export function bare(node: Node): Node {
  const { type, expression } = node as { readonly type: string; readonly expression?: Node };
  return wrappers.has(type) && expression ? bare(expression) : node;
}

const wrappers = new Set([
  "ChainExpression",
  "ParenthesizedExpression",
  "TSAsExpression",
  "TSInstantiationExpression",
  "TSNonNullExpression",
  "TSSatisfiesExpression",
  "TSTypeAssertion",
]);

export function isWrapper(node: Node): boolean {
  return wrappers.has(node.type);
}

/** Linters add it to every node. */
export function parentOf(node: Node): Node | undefined {
  return (node as { readonly parent?: Node }).parent ?? undefined;
}

export function* ancestorsOf(node: Node): Generator<Node> {
  for (let one = parentOf(node); one; one = parentOf(one)) yield one;
}

export function isFunction(node: Node | null | undefined): node is AnyFunction {
  return (
    node?.type === "ArrowFunctionExpression" ||
    node?.type === "FunctionExpression" ||
    node?.type === "FunctionDeclaration"
  );
}

/** A node and everything below it, outermost first. */
export function* walk(node: Node): Generator<Node> {
  yield node;
  for (const [key, value] of Object.entries(node)) {
    if (key === "parent") continue;
    for (const child of Array.isArray(value) ? value : [value]) if (isNode(child)) yield* walk(child);
  }
}

function isNode(value: unknown): value is Node {
  return typeof value === "object" && value !== null && "type" in value && typeof value.type === "string";
}

/** The text of a literal, also of a template without expressions. */
export function textOf(node: Node | null | undefined): string | undefined {
  if (!node) return undefined;
  const inner = bare(node);
  if (inner.type === "Literal") return typeof inner.value === "string" ? inner.value : undefined;
  if (inner.type === "TemplateLiteral" && inner.expressions.length === 0)
    return inner.quasis[0]?.value.cooked ?? undefined;
  return undefined;
}

/** The name of a property as far as it can be read. */
export function propertyName(node: MemberExpression | Property): string | undefined {
  const key = node.type === "MemberExpression" ? node.property : node.key;
  if (!node.computed && key.type === "Identifier") return key.name;
  return textOf(key);
}

/** `publish` for `publish(…)` and for `store.publish(…)`. */
export function calledName(call: CallExpression): string | undefined {
  const callee = bare(call.callee);
  if (callee.type === "Identifier") return callee.name;
  return callee.type === "MemberExpression" ? propertyName(callee) : undefined;
}

/** What a method is called on. */
export function receiverOf(call: CallExpression): Node | undefined {
  const callee = bare(call.callee);
  return callee.type === "MemberExpression" ? bare(callee.object) : undefined;
}

export function objectAt(call: CallExpression, index: number): ObjectExpression | undefined {
  const argument = call.arguments[index];
  if (!argument) return undefined;
  const inner = bare(argument);
  return inner.type === "ObjectExpression" ? inner : undefined;
}

export function propertyOf(object: ObjectExpression, name: string): Property | undefined {
  return object.properties.find((one): one is Property => one.type === "Property" && propertyName(one) === name);
}

/** Then members may be there that cannot be seen. */
export function hasSpread(object: ObjectExpression): boolean {
  return object.properties.some(({ type }) => type === "SpreadElement");
}

/** The function that a name stands for at the top of the file. */
export function topLevelFunction(program: Node, { name }: Identifier): AnyFunction | undefined {
  if (program.type !== "Program") return undefined;
  for (const statement of program.body) {
    const declared =
      statement.type === "ExportNamedDeclaration" && statement.declaration ? statement.declaration : statement;
    if (declared.type === "FunctionDeclaration" && declared.id?.name === name) return declared;
    if (declared.type !== "VariableDeclaration") continue;
    for (const { id, init } of declared.declarations) {
      if (id.type !== "Identifier" || id.name !== name || !init) continue;
      const value = bare(init);
      if (isFunction(value)) return value;
    }
  }
  return undefined;
}

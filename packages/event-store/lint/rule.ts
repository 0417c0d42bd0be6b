import type { Node, Program } from "estree";

/** What ESLint and oxlint both give to a rule, as far as these rules use it. */
export interface RuleContext {
  readonly filename: string;
  readonly cwd: string;
  readonly options: readonly unknown[];
  readonly settings: Readonly<Record<string, unknown>>;
  /** Its `ast` is a `Program`, which the types of linters for any language do not say. */
  readonly sourceCode: { readonly ast: unknown };
  report(finding: {
    readonly node: Node;
    readonly messageId: string;
    readonly data?: Readonly<Record<string, string>>;
  }): void;
}

export function programOf({ sourceCode }: RuleContext): Program {
  return sourceCode.ast as Program;
}

/** Called for each node of a type. */
export type Visitor = { readonly [Type in Node["type"]]?: (node: Extract<Node, { type: Type }>) => void };

export interface Rule {
  readonly meta: {
    readonly type: "problem" | "suggestion";
    readonly docs: { readonly description: string; readonly url: string; readonly recommended: boolean };
    readonly messages: Readonly<Record<string, string>>;
    /** JSON Schema of the options. ESLint's types want a list that could be changed. */
    readonly schema: object[];
  };
  create(context: RuleContext): Visitor;
}

interface RuleDraft {
  readonly name: string;
  readonly description: string;
  /** Part of the recommended set. */
  readonly recommended: boolean;
  readonly messages: Readonly<Record<string, string>>;
  readonly schema?: object[];
  create(context: RuleContext): Visitor;
}

const pages = "https://github.com/signalbox/signalbox/blob/main/docs/lint";

export function defineRule({ name, description, recommended, messages, schema = [], create }: RuleDraft): Rule {
  const docs = { description, url: `${pages}/${name}.md`, recommended };
  return { meta: { type: recommended ? "problem" : "suggestion", docs, messages, schema }, create };
}

/** A schema of options: one object whose members are lists of texts. */
export function textLists(...names: readonly string[]): object[] {
  const list = { type: "array", items: { type: "string" } };
  return [
    {
      type: "object",
      properties: Object.fromEntries(names.map((name) => [name, list])),
      additionalProperties: false,
    },
  ];
}

/** The list of texts in the options, if it is given. */
export function textListOption({ options }: RuleContext, name: string): readonly string[] | undefined {
  const [given] = options;
  if (typeof given !== "object" || given === null) return undefined;
  const value: unknown = Reflect.get(given, name);
  return Array.isArray(value) ? value.filter((item) => typeof item === "string") : undefined;
}

import { posix } from "node:path";
import type { CallExpression, Identifier, ImportDeclaration } from "estree";
import { programOf, type RuleContext } from "./rule.js";
import { contextOf, editionOf, pathOf } from "./settings.js";
import { bare, propertyName, textOf } from "./syntax.js";

/** A name of the file and where it comes from. */
export interface Import {
  /** What the other module calls it; `default`, or `*` for all of it. */
  readonly imported: string;
  /** Path from the working directory, or the name of a package. */
  readonly path: string;
}

/** Where the names of a file come from. */
export class Imports {
  readonly #context: RuleContext;
  #byName: ReadonlyMap<string, Import> | undefined;

  constructor(context: RuleContext) {
    this.#context = context;
  }

  of(name: string): Import | undefined {
    this.#byName ??= this.#read();
    return this.#byName.get(name);
  }

  /** The path that an import names, as globs see it. */
  pathOf({ source }: ImportDeclaration): string {
    const specifier = textOf(source) ?? "";
    if (!specifier.startsWith(".")) return specifier;
    return posix.join(posix.dirname(pathOf(this.#context)), specifier);
  }

  /** Another context than the file's own that the name comes from. */
  foreignContextOf(name: string): string | undefined {
    const origin = this.of(name);
    const own = contextOf(this.#context, pathOf(this.#context));
    const other = origin && contextOf(this.#context, origin.path);
    return own !== undefined && other !== undefined && other !== own ? other : undefined;
  }

  editionOf(name: string): string | undefined {
    const origin = this.of(name);
    return origin && editionOf(this.#context, origin.path);
  }

  /** Whether a function of this package is called, whatever the file calls it. */
  isCallOf(call: CallExpression, name: "defineEvent" | "defineSubscriber"): boolean {
    const callee = bare(call.callee);
    if (callee.type === "MemberExpression") return propertyName(callee) === name;
    if (callee.type !== "Identifier") return false;
    return this.#originalName(callee) === name;
  }

  #originalName({ name }: Identifier): string {
    const origin = this.of(name);
    return origin && origin.imported !== "default" && origin.imported !== "*" ? origin.imported : name;
  }

  #read(): ReadonlyMap<string, Import> {
    const byName = new Map<string, Import>();
    for (const statement of programOf(this.#context).body) {
      if (statement.type !== "ImportDeclaration") continue;
      const path = this.pathOf(statement);
      for (const specifier of statement.specifiers) {
        let imported = specifier.type === "ImportNamespaceSpecifier" ? "*" : "default";
        if (specifier.type === "ImportSpecifier")
          imported =
            specifier.imported.type === "Identifier" ? specifier.imported.name : String(specifier.imported.value);
        byName.set(specifier.local.name, { imported, path });
      }
    }
    return byName;
  }
}

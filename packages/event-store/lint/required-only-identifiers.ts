import { Imports } from "./imports.js";
import { defineRule } from "./rule.js";
import { bare, objectAt, propertyOf, textOf } from "./syntax.js";

export const requiredOnlyIdentifiers = defineRule({
  name: "required-only-identifiers",
  description: "Only identifiers are required properties of an event",
  recommended: false,
  messages: {
    required: "`{{name}}` is no identifier. Make it optional: a required property takes three releases to go away.",
  },
  create(context) {
    const imports = new Imports(context);
    return {
      CallExpression(call) {
        if (!imports.isCallOf(call, "defineEvent")) return;
        const options = objectAt(call, 1);
        const schema = options && propertyOf(options, "schema");
        const object = schema && bare(schema.value);
        const required = object?.type === "ObjectExpression" ? propertyOf(object, "required") : undefined;
        const list = required && bare(required.value);
        if (list?.type !== "ArrayExpression") return;
        for (const node of list.elements) {
          const name = textOf(node);
          if (node && name !== undefined && !/^(id|iid|.+_id)$/.test(name))
            context.report({ node, messageId: "required", data: { name } });
        }
      },
    };
  },
});

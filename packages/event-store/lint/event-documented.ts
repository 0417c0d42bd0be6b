import { matchesGlob } from "./globs.js";
import { Imports } from "./imports.js";
import { defineRule } from "./rule.js";
import { settingsOf } from "./settings.js";
import { hasSpread, objectAt, propertyOf, textOf } from "./syntax.js";

const fields = ["description", "owner", "category"];

export const eventDocumented = defineRule({
  name: "event-documented",
  description: "An event says what it means, whose it is and where it belongs",
  recommended: true,
  messages: {
    missing: "Event {{type}} lacks {{fields}}. Fill in, or add the type to `exempt` in the settings.",
  },
  create(context) {
    const imports = new Imports(context);
    const { exempt = [] } = settingsOf(context);
    return {
      CallExpression(call) {
        if (!imports.isCallOf(call, "defineEvent")) return;
        const [node] = call.arguments;
        const type = textOf(node) ?? "";
        const options = objectAt(call, 1);
        if (!node || matchesGlob(type, exempt) || (!options && call.arguments.length > 1)) return;
        const missing = fields.filter((field) => {
          const property = options && propertyOf(options, field);
          if (property) return textOf(property.value)?.trim() === "";
          return !options || !hasSpread(options);
        });
        if (missing.length > 0)
          context.report({ node, messageId: "missing", data: { type, fields: missing.join(", ") } });
      },
    };
  },
});

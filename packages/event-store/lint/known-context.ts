import { Imports } from "./imports.js";
import { defineRule } from "./rule.js";
import { settingsOf } from "./settings.js";
import { textOf } from "./syntax.js";

export const knownContext = defineRule({
  name: "known-context",
  description: "Names of events and subscribers begin with a known context",
  recommended: true,
  messages: {
    unknown:
      "`{{context}}` is not among the contexts of the settings: {{known}}. Correct the name, or add the context.",
  },
  create(context) {
    const imports = new Imports(context);
    const { contexts } = settingsOf(context);
    if (!contexts) return {};
    return {
      CallExpression(call) {
        if (!imports.isCallOf(call, "defineEvent") && !imports.isCallOf(call, "defineSubscriber")) return;
        const [node] = call.arguments;
        const first = textOf(node)?.split(".")[0];
        if (!node || first === undefined || Object.hasOwn(contexts, first)) return;
        const known = Object.keys(contexts).join(", ");
        context.report({ node, messageId: "unknown", data: { context: first, known } });
      },
    };
  },
});

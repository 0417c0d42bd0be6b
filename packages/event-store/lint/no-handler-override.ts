import { Imports } from "./imports.js";
import { defineRule } from "./rule.js";
import { objectAt, propertyOf } from "./syntax.js";

/** How workers of other queues call the method that does the work. */
const runtimeNames = ["perform", "run", "process", "consume"];

export const noHandlerOverride = defineRule({
  name: "no-handler-override",
  description: "A subscriber leaves decoding, checking and settling to the runtime",
  recommended: true,
  messages: {
    override: "`{{name}}` would stand in for what the runtime does before the handler. Put the work into `handle`.",
  },
  create(context) {
    const imports = new Imports(context);
    return {
      CallExpression(call) {
        if (!imports.isCallOf(call, "defineSubscriber")) return;
        const options = objectAt(call, 1);
        for (const name of runtimeNames) {
          const property = options && propertyOf(options, name);
          if (property) context.report({ node: property, messageId: "override", data: { name } });
        }
      },
    };
  },
});

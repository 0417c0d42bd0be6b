import { Imports } from "./imports.js";
import { defineRule } from "./rule.js";
import { hasSpread, objectAt, propertyOf } from "./syntax.js";

export const subscriberHasHandler = defineRule({
  name: "subscriber-has-handler",
  description: "A subscriber has a handler",
  recommended: true,
  messages: { missing: "This subscriber handles nothing: give it `handle` or `handleBatch`." },
  create(context) {
    const imports = new Imports(context);
    return {
      CallExpression(call) {
        if (!imports.isCallOf(call, "defineSubscriber")) return;
        const options = objectAt(call, 1);
        if (!options && call.arguments.length > 1) return;
        if (options && (hasSpread(options) || propertyOf(options, "handle") || propertyOf(options, "handleBatch")))
          return;
        context.report({ node: call, messageId: "missing" });
      },
    };
  },
});

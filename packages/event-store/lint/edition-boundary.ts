import { Imports } from "./imports.js";
import { defineRule } from "./rule.js";
import { editionOf, pathOf, settingsOf } from "./settings.js";
import { subscriptionOptions } from "./subscriptions.js";
import { bare, objectAt, propertyOf, textOf } from "./syntax.js";

export const editionBoundary = defineRule({
  name: "edition-boundary",
  description: "An event carries the edition of its file, and core knows no edition's events",
  recommended: false,
  messages: {
    missing: 'This file belongs to edition {{expected}}, so its events need `edition: "{{expected}}"`.',
    wrong: "Edition {{actual}} is not that of this file, which belongs to {{expected}}.",
    core: "`{{name}}` exists in edition {{edition}} only, so core cannot subscribe to it. The other way round is fine.",
  },
  create(context) {
    const imports = new Imports(context);
    if (!settingsOf(context).editions) return {};
    const expected = editionOf(context, pathOf(context));
    return {
      CallExpression(call) {
        const subscription = subscriptionOptions(call);
        if (subscription && expected === undefined) {
          const to = propertyOf(subscription, "to")?.value;
          const events = to && bare(to);
          for (const event of events?.type === "ArrayExpression" ? events.elements : [events]) {
            if (event?.type !== "Identifier") continue;
            const { name } = event;
            const edition = imports.editionOf(name);
            if (edition !== undefined) context.report({ node: event, messageId: "core", data: { name, edition } });
          }
        }
        if (!imports.isCallOf(call, "defineEvent")) return;
        const [node] = call.arguments;
        const options = objectAt(call, 1);
        const property = options && propertyOf(options, "edition");
        if (!node || !options || (property && textOf(property.value) === undefined)) return;
        const actual = property && textOf(property.value);
        if (actual === expected) return;
        if (!property) context.report({ node, messageId: "missing", data: { expected: expected ?? "" } });
        else
          context.report({
            node: property,
            messageId: "wrong",
            data: { actual: actual ?? "", expected: expected === undefined ? "core" : `edition ${expected}` },
          });
      },
    };
  },
});

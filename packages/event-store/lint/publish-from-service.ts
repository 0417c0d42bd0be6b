import { matchesGlob } from "./globs.js";
import { isPublish } from "./publishing.js";
import { defineRule, textListOption, textLists } from "./rule.js";
import { pathOf } from "./settings.js";

export const publishFromService = defineRule({
  name: "publish-from-service",
  description: "Services publish; models and hooks of the database do not",
  recommended: false,
  messages: {
    forbidden:
      "What happens here is a change of a record, not yet something that others care about. Publish from the service that means it.",
  },
  schema: textLists("forbidden"),
  create(context) {
    if (!matchesGlob(pathOf(context), textListOption(context, "forbidden") ?? [])) return {};
    return {
      CallExpression(call) {
        if (isPublish(call, context)) context.report({ node: call, messageId: "forbidden" });
      },
    };
  },
});

import { matchesGlob } from "./globs.js";
import { Imports } from "./imports.js";
import { isPastTense } from "./past-tense.js";
import { defineRule, textListOption, textLists } from "./rule.js";
import { textOf } from "./syntax.js";

export const pastTenseName = defineRule({
  name: "past-tense-name",
  description: "An event is named after something that happened",
  recommended: true,
  messages: {
    present:
      "`{{segment}}` does not say what happened. Name the event in the past tense (`pipeline_created`), or list the type in the option `allow`.",
  },
  schema: textLists("allow"),
  create(context) {
    const imports = new Imports(context);
    const allowed = textListOption(context, "allow") ?? [];
    return {
      CallExpression(call) {
        if (!imports.isCallOf(call, "defineEvent")) return;
        const [node] = call.arguments;
        const type = textOf(node);
        if (!node || type === undefined || matchesGlob(type, allowed)) return;
        const segment = type.split(".").at(-1) ?? "";
        // Phrasal verbs have the form in front: `timed_out`, `signed_in_again`.
        if (!segment.split("_").some(isPastTense)) context.report({ node, messageId: "present", data: { segment } });
      },
    };
  },
});

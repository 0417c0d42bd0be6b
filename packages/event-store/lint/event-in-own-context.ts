import { matchesGlob } from "./globs.js";
import { Imports } from "./imports.js";
import { defineRule, textListOption, textLists } from "./rule.js";
import { contextOf, pathOf, settingsOf } from "./settings.js";
import { textOf } from "./syntax.js";

export const eventInOwnContext = defineRule({
  name: "event-in-own-context",
  description: "An event is defined in the context that publishes it, in an events folder",
  recommended: true,
  messages: {
    context: "Event {{type}} belongs into a file of context {{expected}}; this one is of {{actual}}.",
    folder: "Event {{type}} belongs into a folder `events` of its context, where others look for it.",
  },
  schema: textLists("allow"),
  create(context) {
    const imports = new Imports(context);
    const path = pathOf(context);
    const allowed = textListOption(context, "allow") ?? [];
    return {
      CallExpression(call) {
        if (!imports.isCallOf(call, "defineEvent")) return;
        const [node] = call.arguments;
        const type = textOf(node);
        if (!node || type === undefined) return;
        const expected = type.split(".")[0] ?? "";
        const actual = contextOf(context, path);
        if (settingsOf(context).contexts && actual !== expected) {
          const data = { type, expected, actual: actual === undefined ? "no context" : `context ${actual}` };
          context.report({ node, messageId: "context", data });
        } else if (!/(^|\/)events\//.test(path) && !matchesGlob(path, allowed))
          context.report({ node, messageId: "folder", data: { type } });
      },
    };
  },
});

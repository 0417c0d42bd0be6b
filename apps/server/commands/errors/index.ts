import type { Command } from "commander";
import type { Terminal } from "../command.js";
import { addChange } from "./change.js";
import { addExplain } from "./explain.js";
import { addList } from "./list.js";

export function build(errors: Command, terminal: Terminal): void {
  addList(errors, terminal);
  addChange(errors, terminal);
  addExplain(errors, terminal);
}

import type { Command } from "commander";
import { defineCommand, type Terminal } from "../command.js";
import { addChange } from "./change.js";
import { addExplain } from "./explain.js";
import { addList } from "./list.js";

export function addErrorsCommand(program: Command, terminal: Terminal): void {
  const errors = defineCommand(
    program,
    "errors",
    "see what went wrong, and what became of it",
    "signalbox errors list --project 1",
  );
  addList(errors, terminal);
  addChange(errors, terminal);
  addExplain(errors, terminal);
}

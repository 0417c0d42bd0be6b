import type { Command } from "commander";
import type { Terminal } from "../command.js";
import { addExplain } from "./explain.js";
import { addPolicyCheck } from "./policy-check.js";
import { addRepair } from "./repair.js";
import { addStatus } from "./status.js";

export function build(relay: Command, terminal: Terminal): void {
  addStatus(relay, terminal);
  addExplain(relay, terminal);
  addRepair(relay, terminal);
  addPolicyCheck(relay, terminal);
}

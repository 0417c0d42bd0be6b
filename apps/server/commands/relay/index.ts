import type { Command } from "commander";
import { defineCommand, type Terminal } from "../command.js";
import { addExplain } from "./explain.js";
import { addPolicyCheck } from "./policy-check.js";
import { addRepair } from "./repair.js";
import { addStatus } from "./status.js";

export function addRelayCommand(program: Command, terminal: Terminal): void {
  const relay = defineCommand(
    program,
    "relay",
    "see how the sync with other relays is doing, and what became of events",
    "signalbox relay status",
  );
  addStatus(relay, terminal);
  addExplain(relay, terminal);
  addRepair(relay, terminal);
  addPolicyCheck(relay, terminal);
}

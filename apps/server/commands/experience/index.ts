import type { Command } from "commander";
import type { Terminal } from "../command.js";
import { addCheck } from "./check.js";
import { addDashboard } from "./dashboard.js";
import { addDefinitions } from "./definitions.js";
import { addReport } from "./report.js";
import { addRules } from "./rules.js";
import { addRuns } from "./runs.js";
import { addSend } from "./send.js";
import { addShow } from "./show.js";
import { addTick } from "./tick.js";

export function build(experience: Command, terminal: Terminal): void {
  addDefinitions(experience, terminal);
  addCheck(experience, terminal);
  addRuns(experience, terminal);
  addShow(experience, terminal);
  addReport(experience, terminal);
  addRules(experience, terminal);
  addDashboard(experience, terminal);
  addSend(experience, terminal);
  addTick(experience, terminal);
}

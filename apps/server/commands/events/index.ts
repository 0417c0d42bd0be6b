import type { Command } from "commander";
import type { Terminal } from "../command.js";
import { addCheck } from "./check.js";
import { addDead } from "./dead.js";
import { addGraph } from "./graph.js";
import { addList } from "./list.js";
import { addQueueVerbs } from "./queue-verbs.js";
import { addReplay } from "./replay.js";
import { addWhy } from "./why.js";

export function build(events: Command, terminal: Terminal): void {
  addList(events, terminal);
  addGraph(events, terminal);
  addCheck(events, terminal);
  addWhy(events, terminal);
  addDead(events, terminal);
  addReplay(events, terminal);
  addQueueVerbs(events, terminal);
}

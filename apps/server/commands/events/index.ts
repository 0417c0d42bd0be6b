import type { Command } from "commander";
import { defineCommand, type Terminal } from "../command.js";
import { addCheck } from "./check.js";
import { addDead } from "./dead.js";
import { addGraph } from "./graph.js";
import { addList } from "./list.js";
import { addQueueVerbs } from "./queue-verbs.js";
import { addReplay } from "./replay.js";
import { addWhy } from "./why.js";

export function addEventsCommand(program: Command, terminal: Terminal): void {
  const events = defineCommand(
    program,
    "events",
    "see and operate the event store: who gets what, what waits, what failed",
    "signalbox events why 01JZ3V2M5T8Q4X9C7B6A1D0E2F",
  );
  addList(events, terminal);
  addGraph(events, terminal);
  addCheck(events, terminal);
  addWhy(events, terminal);
  addDead(events, terminal);
  addReplay(events, terminal);
  addQueueVerbs(events, terminal);
}

import { assertTransport } from "@signalbox/event-store/testing";
import { systemClock } from "@signalbox/kernel";
import { disturb } from "./disturb.js";
import { engineOf } from "./engines.js";
import { SeededRandom } from "./random.js";
import { torture } from "./torture.js";

// One run in a process of its own: the contract of the port on a disturbed transport, then consumers that die.
const [, , name = "", address = "", seedText = "1", pace = "1"] = process.argv;
const engine = await engineOf(name);
if (!engine) throw new Error(`there is no transport ${name}`);
const random = new SeededRandom(Number(seedText));

await assertTransport({
  name,
  cannot: engine.cannot,
  pace: Number(pace),
  async create(clock) {
    const under = await engine.create(address, clock);
    // Where another one is the same, it is disturbed once.
    const transport = disturb(under.transport, random);
    const another = () => {
      const own = under.another();
      return own === under.transport ? transport : disturb(own, random);
    };
    return { transport, another, destroy: under.destroy };
  },
});

const under = await engine.create(address, systemClock);
await torture(under, random, Number(pace));
await under.destroy();
// Whatever still holds the process has had its chance.
process.exit(0);

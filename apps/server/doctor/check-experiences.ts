import { type DefinitionOptions, readDefinitionFolder } from "@signalbox/experience";
import { readCategories } from "../commands/experience/definition-options.js";
import type { ServerConfig } from "../config.js";
import { urlOf } from "../stores.js";
import { brokenBy, type Check, type Finding, ok, type Patient, warning } from "./finding.js";

const patienceMs = 5_000;
/** The reaper acts within a second; a minute behind it is in trouble. */
const behindAfterS = 60;
/** As the generated alert has it, and five intervals where they are longer. */
const blindAfterS = 300;

/**
 * Whether journeys can be judged: their definitions, where their state is kept, whether anybody closes them, and whether the
 * tracker sees its own.
 */
export const checkExperiences: Check = async (patient) => [
  await definitions(patient),
  await stateStore(patient),
  ...(await runningTracker(patient)),
];

async function definitions({ config }: Patient): Promise<Finding> {
  const subject = "experience definitions";
  const { definitions: directory, featureCategories: list } = config.experience;
  let categories: DefinitionOptions = {};
  try {
    if (list !== undefined) categories = { featureCategories: await readCategories(list) };
  } catch (error) {
    const { message } = brokenBy(subject, error);
    return warning(subject, `the list of feature categories ${list} cannot be read: ${message}`, "Correct the file.");
  }
  const { found, files } = await readDefinitionFolder(directory, categories);
  if (!found)
    return ok(subject, `there is no folder ${directory} yet, so only the built-in experiences have a definition`);
  const invalid = files.flatMap(({ file, reading }) => (reading.kind === "invalid" ? [file] : []));
  if (invalid.length === 0) return ok(subject, `${files.length} files, all valid`);
  const advice = "signalbox experience check says what is wrong with them.";
  return warning(subject, `${invalid.length} of ${files.length} files are invalid: ${invalid.join(", ")}`, advice);
}

const durabilities = {
  always: "answers once a checkpoint is on its disk (appendfsync always)",
  waitaof: "answers once a checkpoint is on its disk (WAITAOF)",
  memory: "answers before a checkpoint is on its disk",
} as const;

async function stateStore({ config }: Patient): Promise<Finding> {
  const subject = "experience store";
  const { store, redisAck } = config.experience;
  if (store === "sql") return ok(subject, "open runs are kept in the database, durably");
  const url = config.redisUrl?.reveal();
  if (url === undefined) return warning(subject, "no address of Redis is configured", "Set `redis_url`.");
  const { examineRedis } = await import("@signalbox/experience-tracker/examine-redis");
  try {
    const { version, evictionPolicy, durability } = await examineRedis(url, redisAck);
    const message = `Redis ${version} ${durabilities[durability]}; its eviction policy is ${evictionPolicy}`;
    if (durability !== "memory") return ok(subject, message);
    return warning(
      subject,
      message,
      "Set `experience.redis_ack: disk`, unless losing checkpoints with Redis is accepted.",
    );
  } catch (error) {
    return brokenBy(subject, error, "Check `redis_url` and whether the server runs.");
  }
}

/** Only the running server knows without opening its stores. */
async function runningTracker({ config, server, readiness, clock }: Patient): Promise<Finding[]> {
  if (!server || readiness?.kind !== "answered") return [];
  const url = `${server.metricsUrl ?? urlOf(config.metricsListen)}/metrics`;
  try {
    const page = await (await fetch(url, { signal: AbortSignal.timeout(patienceMs) })).text();
    const gauge = (name: string): number | undefined => {
      const value = new RegExp(`^signalbox_experience_${name} (\\S+)$`, "m").exec(page)?.[1];
      return value === undefined ? undefined : Number(value);
    };
    const oldestS = gauge("oldest_overdue_seconds");
    // A server with other roles has no tracker.
    if (oldestS === undefined) return [];
    return [overdueRuns(oldestS, config), canary(gauge, config, clock.nowMs() / 1000)];
  } catch (error) {
    return [brokenBy("overdue runs", error, `The metrics listener does not answer at ${url}.`)];
  }
}

function overdueRuns(oldestS: number, { experience }: ServerConfig): Finding {
  const subject = "overdue runs";
  const message = `the oldest is overdue by ${oldestS} s`;
  if (oldestS <= behindAfterS) return ok(subject, message);
  const advice =
    experience.reaper === "off"
      ? "Nothing closes runs by itself (`experience.reaper: off`): call POST /api/v1/experience/reaper/tick more often."
      : "The reaper is behind: look at the server's log for `experience.reaper_behind` and for the store.";
  return warning(subject, message, advice);
}

/** The tracker's journey to itself: the one thing that goes the whole way that checkpoints go. */
function canary(gauge: (name: string) => number | undefined, { experience }: ServerConfig, nowS: number): Finding {
  const subject = "experience canary";
  const intervalS = experience.canaryIntervalS;
  if (intervalS === 0) return ok(subject, "is off (`experience.canary_interval_s: 0`)");
  const success = gauge("canary_success");
  if (success === undefined) return ok(subject, "its first journey is under way");
  const lastS = gauge("canary_last_success_timestamp_seconds");
  const age = lastS === undefined ? "since the start" : `for ${Math.max(0, Math.round(nowS - lastS))} s`;
  const isLate = lastS !== undefined && nowS - lastS > Math.max(blindAfterS, 5 * intervalS);
  if (success === 0 || isLate)
    return warning(
      subject,
      `no journey of the tracker's own was measured as it happened ${age}`,
      "The server's log says where the last one was lost: `experience.canary_failed`, `step`.",
    );
  const roundtripS = gauge("canary_roundtrip_seconds");
  const took = roundtripS === undefined ? "" : `; the last complete one took ${roundtripS.toFixed(1)} s`;
  return ok(subject, `a journey of the tracker's own was measured as it happened${took}`);
}

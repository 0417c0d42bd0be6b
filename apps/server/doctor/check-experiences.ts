import { readDefinitionFolder } from "@signalbox/experience";
import { urlOf } from "../stores.js";
import { brokenBy, type Check, type Finding, ok, type Patient, warning } from "./finding.js";

const patienceMs = 5_000;
/** The reaper acts within a second; a minute behind it is in trouble. */
const behindAfterS = 60;

/** Whether journeys can be judged: their definitions, where their state is kept, and whether anybody closes them. */
export const checkExperiences: Check = async (patient) => [
  await definitions(patient),
  await stateStore(patient),
  ...(await overdueRuns(patient)),
];

async function definitions({ config }: Patient): Promise<Finding> {
  const subject = "experience definitions";
  const directory = config.experience.definitions;
  const { found, files } = await readDefinitionFolder(directory, {});
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
async function overdueRuns({ config, server, readiness }: Patient): Promise<Finding[]> {
  if (!server || readiness?.kind !== "answered") return [];
  const subject = "overdue runs";
  const url = `${server.metricsUrl ?? urlOf(config.metricsListen)}/metrics`;
  try {
    const page = await (await fetch(url, { signal: AbortSignal.timeout(patienceMs) })).text();
    const oldestS = /^signalbox_experience_oldest_overdue_seconds (\S+)$/m.exec(page)?.[1];
    // A server with other roles has no tracker.
    if (oldestS === undefined) return [];
    if (Number(oldestS) <= behindAfterS) return [ok(subject, `the oldest is overdue by ${Number(oldestS)} s`)];
    const advice =
      config.experience.reaper === "off"
        ? "Nothing closes runs by itself (`experience.reaper: off`): call POST /api/v1/experience/reaper/tick more often."
        : "The reaper is behind: look at the server's log for `experience.reaper_behind` and for the store.";
    return [warning(subject, `the oldest is overdue by ${Number(oldestS)} s`, advice)];
  } catch (error) {
    return [brokenBy(subject, error, `The metrics listener does not answer at ${url}.`)];
  }
}

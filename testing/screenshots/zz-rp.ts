import { startExperienceServer } from "/work/main/testing/end-to-end/experience-server.ts";
import { takePictures } from "/work/main/testing/screenshots/take.ts";
import { ulid } from "@signalbox/kernel";
const s = await startExperienceServer({ SIGNALBOX_EXPERIENCE_LATE_START_GRACE_S: "0" });
try {
  const post = async (checkpoints: object[]) => {
    const r = await fetch(`${s.server.url}/api/v1/experience/checkpoints/batch`, { method: "POST", headers: { "content-type": "application/json", authorization: `Bearer ${s.writeToken}` }, body: JSON.stringify({ checkpoints }) });
    if (r.status !== 200) throw new Error(await r.text());
  };
  const base = { covered_experience_id: "short_import", feature_category: "importers", urgency: "custom" };
  const at = (ms: number) => new Date(Date.now() + ms).toISOString();
  const late: (() => object)[] = [];
  for (let round = 0; round < 2; round++) {
    const all: object[] = [];
    for (let i = 0; i < 80; i++) {
      const correlation_id = ulid();
      const begin = -20_000 + Math.random() * 3000;
      const took = 200 + Math.random() ** 3 * 3000;
      const one = (checkpoint: string, category: string | undefined, ms: number, type = "web", more = {}) => ({ ...base, correlation_id, checkpoint, ...(category ? { checkpoint_category: category } : {}), type, client_timestamp: at(ms), ...more });
      if (i % 10 === 9) {
        all.push(one("start", "upload", -3500), one("intermediate", "unpacked", -3200, "sidekiq"));
        if (i % 20 === 9) late.push(() => one("end", "finished", 0, "sidekiq"));
        continue;
      }
      all.push(one("start", "upload", begin), one("intermediate", "unpacked", begin + took * 0.3, "sidekiq"), one("intermediate", "rows_written", begin + took * 0.8, "sidekiq"), one("end", "finished", begin + took, "sidekiq", i % 13 === 0 ? { error: true } : {}));
    }
    await post(all);
  }
  await new Promise((r) => setTimeout(r, 4_000));
  await post(late.map((make) => make()));
  await new Promise((r) => setTimeout(r, 3_000));
  const pages = [{ name: "short_import", path: "/experiences/short_import?range=1h", showing: "What if" }];
  for (const colorScheme of ["light", "dark"] as const) for (const width of [1280, 390])
    console.log(await takePictures({ url: s.server.url, token: s.readToken, folder: "/tmp/rp" }, pages, { colorScheme, width }));
  console.log(JSON.stringify((await s.get("/api/v1/experience/reports/lateness?experience=short_import")).body));
} finally { await s.close(); }

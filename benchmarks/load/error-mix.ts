import { gzipSync } from "node:zlib";

/** What clients send as one error event, as plain data. */
export type MixedEvent = Readonly<Record<string, unknown>> & { readonly event_id: string; readonly platform: string };

export interface ErrorMixOptions {
  /** Number of distinct errors. Default: 200. */
  readonly groups?: number;
  /** Size of every event; absent: mean 8 kB, one of twenty above 32 kB, at most 144 kB. */
  readonly bytes?: number;
}

interface Language {
  readonly platform: string;
  readonly sdk: string;
  readonly appFile: (name: string) => string;
  readonly libraryFile: (name: string) => string;
  readonly type: (name: string) => string;
  readonly line: (name: string, call: string) => string;
}

const camel = (name: string): string => name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase());
const pascal = (name: string): string => camel(`_${name}`);

const languages: readonly Language[] = [
  {
    platform: "javascript",
    sdk: "sentry.javascript.browser",
    appFile: (name) => `https://forge.example/assets/${name}-5f0c1a.js`,
    libraryFile: (name) => `https://forge.example/assets/vendor-${name}.js`,
    type: (name) => `${pascal(name)}Error`,
    line: (name, call) => `    const ${camel(name)} = await this.${camel(call)}(props.${camel(name)}, { signal });`,
  },
  {
    platform: "node",
    sdk: "sentry.javascript.node",
    appFile: (name) => `/srv/forge/modules/${name}.js`,
    libraryFile: (name) => `/srv/forge/node_modules/${name}/lib/index.js`,
    type: (name) => `${pascal(name)}Error`,
    line: (name, call) => `  const ${camel(name)} = await ${camel(call)}(request.${camel(name)}, options);`,
  },
  {
    platform: "python",
    sdk: "sentry.python",
    appFile: (name) => `forge/${name}.py`,
    libraryFile: (name) => `django/${name}/base.py`,
    type: (name) => `${pascal(name)}Error`,
    line: (name, call) => `        ${name} = self.${call}(request, ${name}=${name}, **kwargs)`,
  },
  {
    platform: "java",
    sdk: "sentry.java",
    appFile: (name) => `${pascal(name)}Service.java`,
    libraryFile: (name) => `${pascal(name)}Dispatcher.java`,
    type: (name) => `org.forge.${pascal(name)}Exception`,
    line: (name, call) => `        var ${camel(name)} = ${camel(call)}.invoke(context, ${camel(name)});`,
  },
  {
    platform: "ruby",
    sdk: "sentry.ruby",
    appFile: (name) => `app/services/${name}.rb`,
    libraryFile: (name) => `/usr/lib/ruby/gems/rails/${name}.rb`,
    type: (name) => `Forge::${pascal(name)}Error`,
    line: (name, call) => `    ${name} = ${call}(params.fetch(:${name}))`,
  },
  {
    platform: "php",
    sdk: "sentry.php",
    appFile: (name) => `/var/www/forge/src/${pascal(name)}.php`,
    libraryFile: (name) => `/var/www/forge/vendor/symfony/${name}.php`,
    type: (name) => `App\\${pascal(name)}Exception`,
    line: (name, call) => `        $${camel(name)} = $this->${camel(call)}($request, $${camel(name)});`,
  },
  {
    platform: "go",
    sdk: "sentry.go",
    appFile: (name) => `/build/forge/internal/${name}.go`,
    libraryFile: (name) => `/usr/local/go/src/net/${name}.go`,
    type: (name) => `*${name}.Error`,
    line: (name, call) => `	${camel(name)}, err := s.${pascal(call)}(ctx, ${camel(name)})`,
  },
];

const words =
  "merge_request pipeline runner artifact webhook mirror deploy_token wiki snippet branch review approval milestone label board epic registry package secret schedule cache archive import export".split(
    " ",
  );
const verbs = "load find resolve render validate fetch parse store publish schedule expire lock sync authorise".split(
  " ",
);
const routes = ["/api/v4/projects/%/pipelines", "/%/merge_requests", "/%/tree/main", "/api/v4/jobs/%/trace"];

type Random = () => number;

/** The same numbers for the same seed, so that every run and every peer gets the same events. */
function createRandom(seed: number): Random {
  let state = (seed + 1) * 0x9e3779b1;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

function pick<T>(list: readonly [T, ...T[]] | readonly T[], random: Random): T {
  const item = list[Math.floor(random() * list.length)];
  if (item === undefined) throw new RangeError("nothing to pick from");
  return item;
}

function hex(digits: number, random: Random): string {
  let text = "";
  while (text.length < digits) text += Math.floor(random() * 0x10000000).toString(16);
  return text.slice(0, digits);
}

/** Most errors are small, a few carry a lot: mean 8 kB, one of twenty above 32 kB, at most 144 kB. */
function drawBytes(random: Random): number {
  const share = random();
  const between = (least: number, most: number): number => least + (most - least) * random();
  if (share < 0.7) return between(2_500, 5_000);
  if (share < 0.9) return between(5_000, 11_000);
  if (share < 0.95) return between(11_000, 32_000);
  return share < 0.99 ? between(32_000, 44_000) : between(44_000, 144_000);
}

/** The event of that number: the same one in every run, apart from its time. */
export function mixedEvent(index: number, options: ErrorMixOptions = {}, nowMs = Date.now()): MixedEvent {
  const random = createRandom(index);
  const group = index % (options.groups ?? 200);
  const ofGroup = createRandom(1_000_000 + group);
  const language = languages[group % languages.length] ?? pick(languages, random);
  const subject = pick(words, ofGroup);
  const frames = Array.from({ length: 6 + Math.floor(ofGroup() * 14) }, (_, depth) =>
    frameOf(language, depth % 3 === 2, group, depth, ofGroup),
  );
  const route = pick(routes, ofGroup).replace("%", String(Math.floor(random() * 90_000)));
  const event = {
    event_id: hex(32, random),
    timestamp: nowMs / 1000,
    platform: language.platform,
    level: "error",
    environment: random() < 0.8 ? "production" : "staging",
    release: `forge@1.${Math.floor(random() * 4)}.0`,
    server_name: `web-${Math.floor(random() * 12)}`,
    transaction: `POST ${route.replaceAll(/\d+/g, ":id")}`,
    sdk: { name: language.sdk, version: "2.20.0", integrations: ["http", "logging", "modules"] },
    contexts: {
      trace: { trace_id: hex(32, random), span_id: hex(16, random), op: "http.server" },
      runtime: { name: language.platform, version: `3.${Math.floor(random() * 5)}.1` },
      os: { name: "Debian", version: "12", kernel_version: "6.1.0-18-amd64" },
    },
    tags: {
      component: subject,
      shard: `s${Math.floor(random() * 16)}`,
      plan: pick(["free", "premium", "ultimate"], random),
      browser: pick(["Firefox 140", "Chrome 141", "Safari 19"], random),
    },
    user: { id: String(Math.floor(random() * 5_000)), ip_address: `10.1.${Math.floor(random() * 250)}.7` },
    request: {
      method: "POST",
      url: `https://forge.example${route}`,
      headers: { Host: "forge.example", "User-Agent": "Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0" },
    },
    exception: {
      values: [
        {
          type: language.type(`${subject}_${pick(verbs, ofGroup)}`),
          value: `could not ${pick(verbs, ofGroup)} ${subject} ${Math.floor(random() * 1_000_000)} of project ${hex(8, random)}`,
          stacktrace: { frames },
          mechanism: { type: "generic", handled: random() < 0.5 },
        },
      ],
    },
    breadcrumbs: { values: [] as object[] },
  };
  fill(event.breadcrumbs.values, (options.bytes ?? drawBytes(random)) - JSON.stringify(event).length, random, nowMs);
  return event;
}

function frameOf(language: Language, inApp: boolean, group: number, depth: number, random: Random): object {
  const name = pick(words, random);
  const call = pick(verbs, random);
  return {
    filename: inApp ? language.appFile(name) : language.libraryFile(name),
    module: `forge.${name}.${call}`,
    // What tells the groups apart, whatever else they share.
    function: inApp ? `${call}_${name}_${group}` : `${call}_${name}`,
    lineno: 10 + depth * 7,
    in_app: inApp,
    ...(inApp && {
      pre_context: [language.line(name, call), language.line(call, name)],
      context_line: language.line(pick(words, random), call),
      post_context: [language.line(call, pick(words, random)), ""],
    }),
  };
}

/** Breadcrumbs make events as large as they are. */
function fill(breadcrumbs: object[], bytes: number, random: Random, nowMs: number): void {
  for (let left = bytes; left > 0; ) {
    const route = pick(routes, random).replace("%", String(Math.floor(random() * 90_000)));
    const crumb = {
      timestamp: (nowMs - left) / 1000,
      category: pick(["http", "query", "console", "navigation"], random),
      level: "info",
      message: `${pick(verbs, random)} ${pick(words, random)}: GET ${route}?page=${Math.floor(random() * 40)} took ${Math.floor(random() * 900)} ms`,
      data: { status_code: 200, request_id: hex(16, random) },
    };
    breadcrumbs.push(crumb);
    left -= JSON.stringify(crumb).length + 1;
  }
}

/** The envelope that a client would send it in. */
export function envelopeOf(event: MixedEvent): Buffer {
  const payload = Buffer.from(JSON.stringify(event));
  const header = JSON.stringify({ event_id: event.event_id, sent_at: new Date().toISOString() });
  const item = JSON.stringify({ type: "event", length: payload.length, content_type: "application/json" });
  return Buffer.concat([Buffer.from(`${header}\n${item}\n`), payload, Buffer.from("\n")]);
}

/** Gzipped envelopes with the numbers from `first` on. */
export function mixedBodies(first: number, count: number, options: ErrorMixOptions = {}): Buffer[] {
  return Array.from({ length: count }, (_, index) => gzipSync(envelopeOf(mixedEvent(first + index, options))));
}

/** What a program of each language needs, with the DSN filled in, and how to get the SDK where one command does. */
export function snippets(dsn: string): readonly { readonly name: string; readonly code: string }[] {
  return [
    {
      name: "Node.js",
      code: `// npm install @sentry/node\nimport * as Sentry from "@sentry/node";\n\nSentry.init({ dsn: "${dsn}" });`,
    },
    {
      name: "Browser",
      code: `// npm install @sentry/browser\nimport * as Sentry from "@sentry/browser";\n\nSentry.init({ dsn: "${dsn}" });`,
    },
    { name: "Python", code: `# pip install sentry-sdk\nimport sentry_sdk\n\nsentry_sdk.init(dsn="${dsn}")` },
    {
      name: "Ruby",
      code: `# gem install sentry-ruby\nrequire "sentry-ruby"\n\nSentry.init { |config| config.dsn = "${dsn}" }`,
    },
    {
      name: "Go",
      code: `// go get github.com/getsentry/sentry-go\nsentry.Init(sentry.ClientOptions{Dsn: "${dsn}"})`,
    },
    {
      name: "PHP",
      code: `// composer require sentry/sentry\n\\Sentry\\init(["dsn" => "${dsn}"]);`,
    },
    {
      name: ".NET",
      code: `SentrySdk.Init(options => options.Dsn = "${dsn}");`,
    },
    {
      name: "Elixir",
      code: `config :sentry,\n  dsn: "${dsn}"`,
    },
    { name: "Java", code: `Sentry.init(options -> options.setDsn("${dsn}"));` },
    {
      name: "Android",
      code: `<!-- AndroidManifest.xml, inside application -->\n<meta-data android:name="io.sentry.dsn" android:value="${dsn}" />`,
    },
    { name: "Apple", code: `SentrySDK.start { options in\n    options.dsn = "${dsn}"\n}` },
    { name: "Rust", code: `let _guard = sentry::init("${dsn}");` },
    { name: "Terminal", code: `# No SDK at all, to see whether something arrives\n${asCurl(dsn)}` },
  ];
}

/** An event by the oldest of the SDKs' routes, which takes it as it is. */
function asCurl(dsn: string): string {
  const { origin, username, pathname } = new URL(dsn);
  const [, prefix = "", project = ""] = /^(.*)\/([^/]+)$/.exec(pathname) ?? [];
  const address = `${origin}${prefix}/api/${project}/store/?sentry_key=${username}`;
  return `curl "${address}" -H "content-type: application/json" -d '{ "level": "error", "message": "It works" }'`;
}

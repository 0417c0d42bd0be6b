/** What a program of each language needs, with the DSN filled in. */
export function snippets(dsn: string): readonly { readonly name: string; readonly code: string }[] {
  return [
    { name: "Node.js", code: `import * as Sentry from "@sentry/node";\n\nSentry.init({ dsn: "${dsn}" });` },
    { name: "Browser", code: `import * as Sentry from "@sentry/browser";\n\nSentry.init({ dsn: "${dsn}" });` },
    { name: "Python", code: `import sentry_sdk\n\nsentry_sdk.init(dsn="${dsn}")` },
    { name: "Ruby", code: `require "sentry-ruby"\n\nSentry.init { |config| config.dsn = "${dsn}" }` },
    { name: "Go", code: `sentry.Init(sentry.ClientOptions{Dsn: "${dsn}"})` },
    {
      name: "PHP",
      code: `\\Sentry\\init(["dsn" => "${dsn}"]);`,
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
    { name: "Terminal", code: `SENTRY_DSN="${dsn}" sentry-cli send-event --message "It works"` },
  ];
}

import { Badge, Text } from "@mantine/core";
import { IconBug } from "@tabler/icons-react";
import { useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { ApiError } from "../api/client.js";
import { BreadcrumbList } from "../features/errors/breadcrumb-list.js";
import { EventDetails } from "../features/errors/event-details.js";
import type { Frame } from "../features/errors/event-payload.js";
import { StackTrace } from "../features/errors/stack-trace.js";
import { Threads } from "../features/errors/threads.js";
import { Panel, PanelFigure, PanelFigures, PanelNote, PanelRow } from "../features/overview/panel.js";
import { TimeBars } from "../shared/bars.js";
import { Card, Figure } from "../shared/card.js";
import { type Column, DataTable } from "../shared/data-table.js";
import { Page } from "../shared/page.js";
import { Sparkline } from "../shared/sparkline.js";
import { Empty, Failure, Loaded, Snippet } from "../shared/states.js";
import { Ago } from "../shared/time.js";
import { TimeRangePicker } from "../shared/time-range-picker.js";

/** Texts as events bring them. */
const texts = {
  word: "Checkout",
  "long-word": "x".repeat(3_000),
  "long-text": "A sentence that says a little and goes on for quite a while. ".repeat(60),
  "right-to-left": "שגיאה: הקובץ לא נמצא ‮txt.exe‬ في الخادم",
  emoji: "🧑‍🚀🔥 deploy 👩‍👩‍👧‍👦 failed 🇩🇪",
  markup: `<b>bold</b><img src=x onerror="window.hacked=1">`,
} as const;

interface Row {
  readonly id: string;
  readonly name: string;
  readonly count: number;
}

const columns: readonly Column<Row>[] = [
  {
    id: "name",
    header: "Name",
    value: ({ name }) => name,
    cell: ({ name }) => (
      <Text size="sm" truncate dir="auto">
        {name}
      </Text>
    ),
  },
  { id: "count", header: "Count", width: 90, align: "right", value: ({ count }) => count, cell: ({ count }) => count },
  ...["first", "second", "third"].map(
    (id): Column<Row> => ({
      id,
      header: `The ${id}`,
      width: 80,
      wideOnly: true,
      value: ({ count }) => count,
      cell: ({ count }) => count,
    }),
  ),
];

const rowsOf = (count: number, name = "Row"): readonly Row[] =>
  Array.from({ length: count }, (_, index) => ({ id: String(index), name: `${name} ${index}`, count: index }));

function Table({ rows }: { readonly rows: readonly Row[] }) {
  return (
    <DataTable
      label="Rows"
      rows={rows}
      rowKey={({ id }) => id}
      columns={columns}
      empty={<Empty title="No rows yet">They come with the first event.</Empty>}
    />
  );
}

/** A query that behaves as told. */
function Asked({ name, ask }: { readonly name: string; readonly ask: () => Promise<string> }) {
  const query = useQuery({ queryKey: ["gallery", name], queryFn: ask });
  return <Loaded query={query}>{(data) => <Text>{data}</Text>}</Loaded>;
}

const refusal = (message: string): ApiError =>
  new ApiError({
    status: 500,
    code: "internal_error",
    message,
    correlationId: "01JP0EM7HB39WSJNR4662MYZ6V",
    asked: "/api/v1/projects/1/errors?query=checkout",
  });

const frame = (name: string, more: Partial<Frame> = {}): Frame => ({
  function: name,
  filename: `shop/${name}.py`,
  lineno: 12,
  colno: 5,
  in_app: true,
  context_line: `    ${name}()`,
  ...more,
});

const trace = (frames: readonly Frame[], type = "Error", value = "It broke") => (
  <StackTrace exceptions={[{ type, value, stacktrace: { frames } }]} />
);

const series = (length: number, of: (index: number) => number) =>
  Array.from({ length }, (_, index) => ({ atMs: Date.UTC(2026, 0, 1, index), count: of(index) }));

const perText = (prefix: string, draw: (text: string) => ReactNode): Readonly<Record<string, () => ReactNode>> =>
  Object.fromEntries(Object.entries(texts).map(([name, text]) => [`${prefix}/${name}`, () => draw(text)]));

/** Every component that has states, in each of them. */
export const cases: Readonly<Record<string, () => ReactNode>> = {
  "loaded/loading": () => <Asked name="loading" ask={() => new Promise<string>(() => undefined)} />,
  "loaded/error": () => <Asked name="error" ask={() => Promise.reject(refusal("The store is away."))} />,
  "loaded/data": () => <Asked name="data" ask={() => Promise.resolve("Here it is")} />,
  "failure/unknown": () => <Failure error={new Error("Nobody knows why.")} />,
  "failure/stale": () => <Failure error={refusal("The store is away.")} retry={() => undefined} stale />,
  ...perText("failure", (text) => <Failure error={refusal(text)} retry={() => undefined} />),
  "empty/plain": () => <Empty title="Nothing here" />,
  "empty/snippet": () => (
    <Empty title="No errors yet" snippet={`Sentry.init({ dsn: "${"0".repeat(300)}" });`}>
      Any SDK can send here.
    </Empty>
  ),
  ...perText("empty", (text) => <Empty title={text}>{text}</Empty>),
  ...perText("snippet", (text) => <Snippet code={text} />),
  "table/none": () => <Table rows={[]} />,
  "table/one": () => <Table rows={rowsOf(1)} />,
  "table/few": () => <Table rows={rowsOf(20)} />,
  "table/many": () => <Table rows={rowsOf(10_000)} />,
  ...perText("table", (text) => <Table rows={rowsOf(3, text)} />),
  ...perText("page", (text) => (
    <Page title={text} subtitle={text}>
      <Text dir="auto" style={{ overflowWrap: "anywhere" }}>
        {text}
      </Text>
    </Page>
  )),
  ...perText("card", (text) => (
    <Card title={text}>
      <Figure label={text} hint={text}>
        {text}
      </Figure>
    </Card>
  )),
  ...perText("panel", (text) => (
    <Panel
      title={text}
      to="/"
      icon={<IconBug size={18} aria-hidden />}
      state={{ tone: "bad", text: "1 open" }}
      figure={
        <PanelFigures>
          <PanelFigure value="1,234" label="events" />
        </PanelFigures>
      }
      trend={<Sparkline values={[1, 2, 3]} label="6 events" stretch />}
    >
      <PanelRow left={<Text truncate>{text}</Text>} right={<Badge>new</Badge>} />
      <PanelNote>{text}</PanelNote>
    </Panel>
  )),
  "sparkline/none": () => <Sparkline values={[]} label="0 events" />,
  "sparkline/one": () => <Sparkline values={[1]} label="1 event" />,
  "sparkline/many": () => (
    <Sparkline values={Array.from({ length: 500 }, (_, index) => index % 17)} label="many events" stretch />
  ),
  "bars/none": () => <TimeBars points={[]} label="no time" />,
  "bars/zero": () => <TimeBars points={series(24, () => 0)} label="0 events" />,
  "bars/one": () => <TimeBars points={series(1, () => 1)} label="1 event" />,
  "bars/many": () => <TimeBars points={series(400, (index) => index ** 3)} label="many events" />,
  "ago/never": () => <Ago at={null} />,
  "ago/now": () => <Ago at={new Date().toISOString()} />,
  "ago/long": () => <Ago at="1970-01-01T00:00:00.000Z" />,
  "range/picker": () => <TimeRangePicker />,
  "trace/none": () => trace([]),
  "trace/one": () => trace([frame("pay")]),
  "trace/bare": () => trace([{}]),
  "trace/many": () => trace(Array.from({ length: 5_000 }, (_, index) => frame(`step_${index}`))),
  ...perText("trace", (text) =>
    trace([frame(text, { filename: text, context_line: text, vars: { [text]: text } })], text, text),
  ),
  "threads/one": () => <Threads threads={[{ id: 1, name: "main" }]} />,
  "threads/many": () => (
    <Threads
      threads={Array.from({ length: 200 }, (_, id) => ({
        id,
        name: "worker",
        crashed: id === 7,
        stacktrace: { frames: [frame("work")] },
      }))}
    />
  ),
  "breadcrumbs/none": () => <BreadcrumbList breadcrumbs={[]} />,
  "breadcrumbs/one": () => <BreadcrumbList breadcrumbs={[{ category: "http", message: "GET /" }]} />,
  "breadcrumbs/many": () => (
    <BreadcrumbList
      breadcrumbs={Array.from({ length: 300 }, (_, index) => ({
        timestamp: "2026-01-01T00:00:00Z",
        category: index % 2 === 0 ? "http" : "ui",
        message: `step ${index}`,
      }))}
    />
  ),
  ...perText("breadcrumbs", (text) => (
    <BreadcrumbList breadcrumbs={[{ category: text, message: text, level: "error", data: { [text]: text } }]} />
  )),
  "details/none": () => <EventDetails payload={{}} />,
  ...perText("details", (text) => (
    <EventDetails
      payload={{
        tags: { [text]: text },
        user: { id: text },
        request: { url: text, headers: { cookie: text }, data: text },
        contexts: { [text]: { [text]: text } },
        processing_errors: [{ type: "invalid_data", name: text, value: text }],
      }}
    />
  )),
};

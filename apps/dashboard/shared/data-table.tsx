import {
  ActionIcon,
  Box,
  Button,
  Checkbox,
  Group,
  Menu,
  Paper,
  Table,
  Text,
  Tooltip,
  UnstyledButton,
} from "@mantine/core";
import { IconArrowDown, IconArrowUp, IconClipboardCopy, IconColumns3 } from "@tabler/icons-react";
import { useWindowVirtualizer } from "@tanstack/react-virtual";
import { memo, type ReactNode, useCallback, useEffect, useLayoutEffect, useMemo, useRef, useState } from "react";
import { useIsNarrow } from "./is-narrow.js";
import { sayDone } from "./notify.js";
import { asCsv, asMarkdownTable, type TextTable } from "./table-text.js";
import { useUrlState } from "./url-state.js";
import { copyText } from "./use-copy.js";

export interface Column<Row> {
  readonly id: string;
  readonly header: string;
  readonly cell: (row: Row) => ReactNode;
  /** What is sorted by and copied. */
  readonly value: (row: Row) => string | number | null;
  readonly align?: "right";
  readonly width?: number | string;
  /** Not on a phone. */
  readonly wideOnly?: boolean;
  /** Not shown until somebody chooses it. */
  readonly hidden?: boolean;
  /** The server's name of this order; without one the rows that are there are sorted here. */
  readonly serverSort?: string;
  /** Nothing is ordered by it. */
  readonly unsorted?: boolean;
}

export interface DataTableProps<Row> {
  readonly label: string;
  readonly rows: readonly Row[];
  readonly rowKey: (row: Row) => string;
  readonly columns: readonly Column<Row>[];
  /** The order of `serverSort` columns that is in force, and how another one is asked for. */
  readonly serverOrder?: { readonly value: string; readonly onChange: (value: string) => void };
  readonly selection?: {
    readonly selected: ReadonlySet<string>;
    readonly onChange: (keys: ReadonlySet<string>) => void;
  };
  /** Left of the table's own buttons. */
  readonly toolbar?: ReactNode;
  /** Called when the end comes into sight. */
  readonly more?: { readonly load: () => void; readonly loading: boolean } | undefined;
  /** Rows that follow one another and have the same group stand below its name, unless they are ordered otherwise. */
  readonly groupOf?: (row: Row) => string;
  /** Stands where rows would. */
  readonly empty?: ReactNode;
  /** Without buttons above, for one of several tables of a page. */
  readonly bare?: boolean;
  readonly news?: { readonly waiting: number; readonly show: () => void };
}

/** More rows than this are drawn only where they are seen. */
const drawnAtOnce = 60;
const estimatedRowPx = 52;

/** A list in columns: sorted, chosen, selected and copied by whoever reads it; as long as need be. */
export function DataTable<Row>(props: DataTableProps<Row>) {
  const { label, rows, rowKey, columns, selection, serverOrder } = props;
  const url = useUrlState();
  const chosen = url.get("columns");
  const isNarrow = useIsNarrow();
  const visible = useMemo(() => {
    const names = chosen.split(",");
    return columns.filter(
      ({ id, hidden, wideOnly }) =>
        (chosen === "" ? hidden !== true : names.includes(id)) && !(isNarrow && wideOnly === true),
    );
  }, [columns, chosen, isNarrow]);
  const order = url.get("order");
  const sorted = useMemo(() => sortRows(rows, columns, order), [rows, columns, order]);
  const copied = (): TextTable => ({
    headers: visible.map(({ header }) => header),
    rows: sorted
      .filter((row) => !selection || selection.selected.size === 0 || selection.selected.has(rowKey(row)))
      .map((row) => visible.map(({ value }) => value(row))),
  });
  const sortBy = ({ id, serverSort }: Column<Row>): void => {
    if (serverSort !== undefined && serverOrder) {
      url.set({ order: null });
      serverOrder.onChange(serverSort);
    } else url.set({ order: order === `-${id}` ? id : order === id ? null : `-${id}` }, { replace: true });
  };
  const directionOf = ({ id, serverSort }: Column<Row>): "ascending" | "descending" | undefined => {
    if (order === id) return "ascending";
    if (order === `-${id}`) return "descending";
    return order === "" && serverSort !== undefined && serverOrder?.value === serverSort ? "descending" : undefined;
  };
  const keys = sorted.map(rowKey);
  const selectedHere = selection ? keys.filter((key) => selection.selected.has(key)).length : 0;
  return (
    <Box>
      {props.bare !== true && (
        <Group justify="space-between" gap="xs" mb={8} wrap="wrap">
          <Group gap="xs" style={{ flex: "1 1 auto" }}>
            {props.toolbar}
          </Group>
          <Group gap={6} className="wide-only">
            <CopyMenu table={copied} />
            <ColumnMenu
              columns={columns}
              visible={visible}
              onChange={(names) => url.set({ columns: names }, { replace: true })}
            />
          </Group>
        </Group>
      )}
      {props.news && props.news.waiting > 0 && (
        <Button fullWidth size="xs" variant="light" mb={8} onClick={props.news.show}>
          {props.news.waiting} new, click to show
        </Button>
      )}
      {sorted.length === 0 && props.empty !== undefined ? (
        props.empty
      ) : (
        <Paper withBorder style={{ overflowX: "auto" }}>
          <Table highlightOnHover aria-label={label} aria-rowcount={sorted.length + 1} layout="fixed">
            <colgroup>
              {selection && <col style={{ width: 40 }} />}
              {visible.map(({ id, width }) => (
                <col key={id} style={width ? { width } : undefined} />
              ))}
            </colgroup>
            <Table.Thead>
              <Table.Tr>
                {selection && (
                  <Table.Th w={40}>
                    <Checkbox
                      size="xs"
                      aria-label="Select all"
                      checked={selectedHere > 0 && selectedHere === keys.length}
                      indeterminate={selectedHere > 0 && selectedHere < keys.length}
                      onChange={(event) => selection.onChange(event.currentTarget.checked ? new Set(keys) : new Set())}
                    />
                  </Table.Th>
                )}
                {visible.map((column) => (
                  <HeaderCell
                    key={column.id}
                    column={column}
                    direction={directionOf(column)}
                    // Rows that have not come yet cannot be sorted here.
                    sortable={column.unsorted !== true && (column.serverSort !== undefined || props.more === undefined)}
                    onSort={() => sortBy(column)}
                  />
                ))}
              </Table.Tr>
            </Table.Thead>
            <Body {...props} rows={sorted} visible={visible} grouped={order === ""} />
          </Table>
        </Paper>
      )}
    </Box>
  );
}

function HeaderCell<Row>({
  column,
  direction,
  sortable,
  onSort,
}: {
  readonly column: Column<Row>;
  readonly sortable: boolean;
  readonly direction: "ascending" | "descending" | undefined;
  readonly onSort: () => void;
}) {
  const Icon = direction === "ascending" ? IconArrowUp : IconArrowDown;
  const content = !sortable ? (
    column.header
  ) : (
    <UnstyledButton
      onClick={onSort}
      fz="inherit"
      fw="inherit"
      c="inherit"
      style={{ display: "inline-flex", gap: 3, alignItems: "center" }}
    >
      {column.header}
      {direction && <Icon size={12} aria-hidden />}
    </UnstyledButton>
  );
  return (
    <Table.Th {...(column.align ? { ta: column.align } : {})} {...(direction ? { "aria-sort": direction } : {})}>
      {content}
    </Table.Th>
  );
}

function Body<Row>({
  rows,
  rowKey,
  visible,
  selection,
  more,
  groupOf,
  grouped,
}: DataTableProps<Row> & { readonly visible: readonly Column<Row>[]; readonly grouped: boolean }) {
  const body = useRef<HTMLTableSectionElement>(null);
  const [top, setTop] = useState(0);
  // biome-ignore lint/correctness/useExhaustiveDependencies: what stands above the table changes with the rows.
  useLayoutEffect(() => {
    const rect = body.current?.getBoundingClientRect();
    if (rect) setTop(rect.top + window.scrollY);
  }, [rows.length]);
  const isLong = rows.length > drawnAtOnce;
  const virtualizer = useWindowVirtualizer({
    count: rows.length,
    estimateSize: () => estimatedRowPx,
    overscan: 12,
    scrollMargin: top,
    enabled: isLong,
    getItemKey: (index) => keyAt(rows, rowKey, index),
  });
  const drawn = virtualizer.getVirtualItems();
  const lastDrawn = isLong ? (drawn.at(-1)?.index ?? 0) : rows.length - 1;
  useLoadMore(more, lastDrawn >= rows.length - 1);
  const width = visible.length + (selection ? 1 : 0);
  // Rows are drawn anew only when they change, however often the window is scrolled.
  const latest = useRef(selection);
  useLayoutEffect(() => {
    latest.current = selection;
  });
  const select = useCallback((key: string, isSelected: boolean): void => {
    if (latest.current === undefined) return;
    const next = new Set(latest.current.selected);
    if (isSelected) next.add(key);
    else next.delete(key);
    latest.current.onChange(next);
  }, []);
  const row = (item: Row, index: number) => {
    const key = rowKey(item);
    return (
      <DataRow
        key={key}
        id={key}
        item={item}
        index={index}
        columns={visible}
        selected={selection?.selected.has(key)}
        select={select}
        measure={isLong ? virtualizer.measureElement : undefined}
      />
    );
  };
  if (!isLong)
    return (
      <Table.Tbody ref={body}>
        {rows.map((item, index) => {
          const group = grouped ? groupOf?.(item) : undefined;
          const before = rows[index - 1];
          const isFirst = group !== undefined && (before === undefined || groupOf?.(before) !== group);
          return isFirst
            ? [<GroupRow key={`group ${group}`} name={group} width={width} />, row(item, index)]
            : row(item, index);
        })}
        {more?.loading && <Loading width={width} />}
      </Table.Tbody>
    );
  const before = (drawn[0]?.start ?? top) - top;
  const after = virtualizer.getTotalSize() - ((drawn.at(-1)?.end ?? top) - top);
  return (
    <Table.Tbody ref={body}>
      {before > 0 && <Spacer height={before} width={width} />}
      {drawn.map(({ index }) => {
        const item = rows[index];
        return item === undefined ? null : row(item, index);
      })}
      {after > 0 && <Spacer height={after} width={width} />}
      {more?.loading && <Loading width={width} />}
    </Table.Tbody>
  );
}

interface DataRowProps<Row> {
  readonly id: string;
  readonly item: Row;
  readonly index: number;
  readonly columns: readonly Column<Row>[];
  /** Undefined: nothing can be selected. */
  readonly selected: boolean | undefined;
  readonly select: (key: string, isSelected: boolean) => void;
  readonly measure: ((node: HTMLTableRowElement | null) => void) | undefined;
}

function PlainRow<Row>({ id, item, index, columns, selected, select, measure }: DataRowProps<Row>) {
  return (
    <Table.Tr
      data-index={index}
      aria-rowindex={index + 2}
      {...(measure ? { ref: measure } : {})}
      {...(selected ? { bg: "var(--mantine-primary-color-light)" } : {})}
    >
      {selected !== undefined && (
        <Table.Td>
          <Checkbox
            size="xs"
            aria-label={`Select ${id}`}
            checked={selected}
            onChange={(event) => select(id, event.currentTarget.checked)}
          />
        </Table.Td>
      )}
      {columns.map((column) => (
        <Table.Td key={column.id} {...(column.align ? { ta: column.align } : {})}>
          {column.cell(item)}
        </Table.Td>
      ))}
    </Table.Tr>
  );
}

// The library's type forgets that a component is generic.
const DataRow = memo(PlainRow) as typeof PlainRow;

function keyAt<Row>(rows: readonly Row[], rowKey: (row: Row) => string, index: number): string {
  const row = rows[index];
  return row === undefined ? String(index) : rowKey(row);
}

function useLoadMore(more: DataTableProps<never>["more"], atEnd: boolean): void {
  const load = more && !more.loading && atEnd ? more.load : undefined;
  const isWanted = load !== undefined;
  // biome-ignore lint/correctness/useExhaustiveDependencies: whether more is wanted stands for the function.
  useEffect(() => {
    load?.();
  }, [isWanted]);
}

function GroupRow({ name, width }: { readonly name: string; readonly width: number }) {
  return (
    <Table.Tr bg="var(--app-ground)">
      <Table.Td colSpan={width} py={5}>
        <Text size="xs" fw={650} c="dimmed">
          {name}
        </Text>
      </Table.Td>
    </Table.Tr>
  );
}

/** Keeps the place of rows that are not drawn. */
function Spacer({ height, width }: { readonly height: number; readonly width: number }) {
  return (
    <tr aria-hidden>
      <td colSpan={width} style={{ height, padding: 0 }} />
    </tr>
  );
}

function Loading({ width }: { readonly width: number }) {
  return (
    <Table.Tr>
      <Table.Td colSpan={width}>
        <Text size="xs" c="dimmed" ta="center">
          Loading more …
        </Text>
      </Table.Td>
    </Table.Tr>
  );
}

function CopyMenu({ table }: { readonly table: () => TextTable }) {
  const copy = (text: string, form: string): void => {
    void copyText(text).then((done) => done && sayDone(`The rows are copied as ${form}.`));
  };
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Tooltip label="Copy the rows">
          <ActionIcon variant="default" size={30} aria-label="Copy the rows">
            <IconClipboardCopy size={16} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => copy(asMarkdownTable(table()), "Markdown")}>Copy as Markdown</Menu.Item>
        <Menu.Item onClick={() => copy(asCsv(table()), "CSV")}>Copy as CSV</Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}

function ColumnMenu<Row>({
  columns,
  visible,
  onChange,
}: {
  readonly columns: readonly Column<Row>[];
  readonly visible: readonly Column<Row>[];
  readonly onChange: (names: string | null) => void;
}) {
  const shown = new Set(visible.map(({ id }) => id));
  const toggle = (id: string): void => {
    const next = columns.filter((column) => (column.id === id ? !shown.has(id) : shown.has(column.id)));
    const usual = columns.filter(({ hidden }) => hidden !== true);
    const names = next.map((column) => column.id).join(",");
    if (next.length > 0) onChange(names === usual.map((column) => column.id).join(",") ? null : names);
  };
  return (
    <Menu position="bottom-end" closeOnItemClick={false}>
      <Menu.Target>
        <Tooltip label="Choose columns">
          <ActionIcon variant="default" size={30} aria-label="Choose columns">
            <IconColumns3 size={16} />
          </ActionIcon>
        </Tooltip>
      </Menu.Target>
      <Menu.Dropdown>
        {columns.map(({ id, header }) => (
          <Menu.CheckboxItem key={id} checked={shown.has(id)} onChange={() => toggle(id)}>
            {header}
          </Menu.CheckboxItem>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}

/** Exported for its test. Rows without a value come last in both directions. */
export function sortRows<Row>(rows: readonly Row[], columns: readonly Column<Row>[], order: string): readonly Row[] {
  const descending = order.startsWith("-");
  const column = columns.find(({ id }) => id === (descending ? order.slice(1) : order));
  if (column === undefined) return rows;
  const sign = descending ? -1 : 1;
  return [...rows].sort((left, right) => {
    const [a, b] = [column.value(left), column.value(right)];
    if (a === null || b === null) return a === b ? 0 : a === null ? 1 : -1;
    if (typeof a === "number" && typeof b === "number") return sign * (a - b);
    return sign * String(a).localeCompare(String(b), "en", { numeric: true });
  });
}

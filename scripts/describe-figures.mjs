const begin = "<!-- figures:begin -->";
const end = "<!-- figures:end -->";

/**
 * @typedef {object} Figure one line that a benchmark printed
 * @property {string} name
 * @property {string} workload
 * @property {number} value
 * @property {string} unit
 * @property {{ name: string, value: number } | null} peer
 * @property {number | null} ratio
 * @property {{ cores: number, memoryGiB: number, cpu: string }} machine
 * @property {{ node: string }} versions
 * @property {string} date
 */

/**
 * The README with its table of figures made anew: for each benchmark the lines of its newest kept run.
 *
 * @param {string} readme
 * @param {readonly Figure[]} figures in any order
 * @returns {string}
 */
export function withFigures(readme, figures) {
  const first = readme.indexOf(begin);
  const last = readme.indexOf(end);
  if (first < 0 || last < first) throw new Error(`README.md has no ${begin} … ${end}`);
  return `${readme.slice(0, first + begin.length)}\n${table(figures)}${readme.slice(last)}`;
}

/** @param {readonly Figure[]} figures */
function table(figures) {
  const newest = newestRuns(figures);
  const [sample] = newest;
  if (!sample) return "";
  const rows = newest.map(
    ({ name, workload, value, unit, peer, ratio }) =>
      `| \`${name}\` | ${workload} | ${number(value)} ${unit} | ${peer ? `${number(peer.value)} (${peer.name})` : "–"} | ${ratio === null ? "–" : `${ratio.toFixed(2)} ×`} |`,
  );
  const { cores, memoryGiB, cpu } = sample.machine;
  return [
    "",
    "| benchmark | workload | measured | peer in the same run | ratio |",
    "| --- | --- | ---: | ---: | ---: |",
    ...rows,
    "",
    `On ${cores} cores (${cpu}) with ${memoryGiB} GiB, Node ${sample.versions.node}, load generator and peers on the same machine.`,
    "Run them with `npm run bench -- NAME`.",
    "",
    "",
  ].join("\n");
}

/** @param {readonly Figure[]} figures */
function newestRuns(figures) {
  /** @type {Map<string, string>} */
  const newestDay = new Map();
  for (const { name, date } of figures) if (date > (newestDay.get(name) ?? "")) newestDay.set(name, date);
  /** @type {Map<string, Figure>} */
  const newest = new Map();
  for (const figure of [...figures].sort((left, right) => left.date.localeCompare(right.date))) {
    if (figure.date.slice(0, 10) !== newestDay.get(figure.name)?.slice(0, 10)) continue;
    newest.set(`${figure.name}\n${figure.workload}\n${figure.peer?.name}`, figure);
  }
  return [...newest.values()].sort((left, right) => left.name.localeCompare(right.name));
}

/** @param {number} value */
function number(value) {
  return value.toLocaleString("en-US", { maximumSignificantDigits: 4 });
}

/**
 * Replaces what varies between two occurrences of one message (addresses, ids, dates, numbers) by its kind: one pass
 * from left to right, at each position the first rule of the list wins. Every repetition is bounded and no two
 * neighbouring ones can take the same characters, so that the time stays linear for any text.
 */
export function parameterise(text: string): string {
  return text.replace(pattern, (match: string, ...rest: unknown[]) => {
    const groups = rest.at(-1);
    if (typeof groups !== "object" || groups === null) return match;
    for (const [name, value] of Object.entries(groups)) {
      if (value !== undefined) return `${prefixOf(name, match)}<${name}>`;
    }
    return match;
  });
}

/** These two only count as a value, after an equals sign that stays. */
function prefixOf(name: string, match: string): string {
  return name === "quoted_str" || name === "bool" ? match.slice(0, match.indexOf("=") + 1) : "";
}

const topLevelDomains =
  "com|net|org|edu|gov|mil|int|info|biz|name|pro|dev|app|io|ai|co|me|tv|cc|xyz|site|online|store|tech|cloud|page|blog|" +
  "shop|club|live|news|art|world|today|life|space|website|email|agency|digital|network|systems|solutions|services|" +
  "software|company|group|media|studio|design|zone|local|localhost|internal|lan|test|example|eu|uk|de|fr|it|es|pt|nl|" +
  "be|ch|at|dk|se|no|fi|is|ie|pl|cz|sk|hu|ro|bg|gr|tr|ru|ua|by|lt|lv|ee|si|hr|rs|us|ca|mx|br|ar|cl|pe|au|nz|jp|cn|" +
  "hk|tw|kr|in|id|my|sg|th|vn|ph|il|ae|sa|za|ng|ke|eg|ma|ir|pk|bd|lk";

const label = "[a-z0-9](?:[a-z0-9-]{0,62})";
const labelUpper = "[A-Z0-9](?:[A-Z0-9-]{0,62})";
const octet = "(?:25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)";
const ip4 = `(?:${octet}\\.){3}${octet}`;
const hextet = "[0-9a-fA-F]{1,4}";
// Either eight groups, or `::` between at most seven, with an optional IPv4 tail.
const ip6 =
  `(?:${hextet}:){7}${hextet}|(?:${hextet}:){1,7}:(?:${ip4}|${hextet}(?::${hextet}){0,6})?|` +
  `::(?:[fF]{4}:)?(?:${ip4}|${hextet}(?::${hextet}){0,6})?|(?:${hextet}:){6}${ip4}`;

const month = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)";
const weekday = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(?:day|sday|nesday|rsday|urday)?";
const clockTime = "\\d{1,2}:\\d\\d(?::\\d\\d(?:[.,]\\d{1,9})?)?";
const zone = "(?: ?(?:Z|UTC|GMT)(?:[+-]\\d\\d:?\\d\\d)?| ?[+-]\\d\\d:?\\d\\d)(?: \\([A-Za-z ]{1,40}\\))?";
const date = [
  // datetime.datetime(2026, 1, 2, 3, 4)
  "datetime\\.datetime\\([^)]{1,80}\\)",
  // 2026-01-02, 2026-01-02T03:04:05.678Z, 2026/01/02 03:04
  `\\d{4}[-/]\\d\\d[-/]\\d\\d(?:[T ]${clockTime}(?:${zone})?)?`,
  // Fri, 02 Jan 2026 03:04:05 GMT; Friday, 02-Jan-26 03:04:05 GMT; 02 Jan 2026
  `(?:${weekday},? )?\\d{1,2}[ -]${month}[ -](?:\\d{4}|\\d\\d)(?: ${clockTime}(?:${zone})?)?`,
  // Fri Jan 02 2026 03:04:05 GMT+0100 (Central European Time); Fri Jan 02, 2026; Jan 2, 2026
  `(?:${weekday},? )?${month} {1,2}\\d{1,2},? \\d{4}(?: ${clockTime}(?:${zone})?)?`,
  // Fri Jan  2 03:04:05 2026
  `${weekday} ${month} {1,2}\\d{1,2} ${clockTime}(?: [A-Z]{3,4})? \\d{4}`,
  // 03:04:05.678, 3:04 PM
  `\\d{1,2}:\\d\\d:\\d\\d(?:[.,]\\d{1,9})?(?: ?[AaPp][Mm])?(?:${zone})?`,
  "\\d{1,2}:\\d\\d ?[AaPp][Mm]",
  "\\d{1,2}:\\d\\d(?![:\\d])",
].join("|");

/** Characters around a match must not go on with a word. */
const start = "(?<![\\w])";
const end = "(?![\\w])";

const rules: readonly (readonly [name: string, source: string])[] = [
  [
    "email",
    `(?<![\\w.+-])[a-zA-Z0-9.!#$%&'*+/=?^_\`{|}~-]{1,64}@[a-zA-Z0-9](?:[a-zA-Z0-9.-]{0,250}[a-zA-Z0-9])?${end}`,
  ],
  ["url", `${start}(?:wss?|https?|ftp)://[^\\s/$.?#"'<>][^\\s"'<>]{0,2000}`],
  [
    "hostname",
    `(?<![\\w.-])(?:(?:${label}\\.){1,8}(?:${topLevelDomains})|(?:${labelUpper}\\.){1,8}(?:${topLevelDomains.toUpperCase()}))(?![\\w-])`,
  ],
  [
    "ip",
    // Without a digit it is rather the name of a class member in C++ or Rust.
    `(?<![\\w:.])(?=[0-9a-fA-F:.]{0,44}\\d)(?:${ip6})(?![\\w:])(?!\\.\\d)|(?<![\\w.])${ip4}(?!\\w)(?!\\.\\d)`,
  ],
  ["traceparent", `${start}(?:00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]|1-[0-9a-f]{8}-[0-9a-f]{24})${end}`],
  ["uuid", `${start}[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}${end}`],
  ["sha1", `${start}[0-9a-fA-F]{40}${end}`],
  ["md5", `${start}[0-9a-fA-F]{32}${end}`],
  ["date", `(?<!\\d)(?:${date})(?!\\d)`],
  ["duration", `(?<![\\w.])\\d{1,12}(?:\\.\\d{1,9})?(?:ms|us|ns|s|m|h|d)${end}`],
  ["swift_txn_id", `${start}tx[0-9a-f]{21}-[0-9a-f]{10}[\\w-]{0,64}`],
  [
    "hex",
    `${start}(?:0[xX][0-9a-fA-F]{1,4096}|(?=[a-f]{0,127}[0-9])[0-9a-f]{8,128}|(?=[A-F]{0,127}[0-9])[0-9A-F]{8,128})${end}`,
  ],
  ["git_sha", `${start}(?=[0-9]{0,6}[a-f])(?=[a-f]{0,6}[0-9])[0-9a-f]{7}${end}`],
  ["float", `(?<![\\w.])(?:(?<!\\w)-)?\\d{1,400}\\.\\d{1,400}(?:[eE][+-]?\\d{1,4})?${end}`],
  ["int", `${start}(?:(?<!\\w)-)?\\d{1,7}${end}`],
  ["quoted_str", `=(?:'[^'\\n]{0,1000}'|"[^"\\n]{0,1000}")`],
  ["bool", `=(?:[Tt]rue|[Ff]alse|TRUE|FALSE)${end}`],
];

const pattern = new RegExp(rules.map(([name, source]) => `(?<${name}>${source})`).join("|"), "g");

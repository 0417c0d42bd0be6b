import { Badge, Box, Group, Stack, Text, Tooltip } from "@mantine/core";
import { IconAlertTriangle, IconCircleCheck, IconCircleDashed } from "@tabler/icons-react";
import { formatCount, formatShare } from "../../shared/numbers.js";
import { Ago } from "../../shared/time.js";
import {
  certifiedAt,
  healthTones,
  layerLabels,
  layers,
  type Peer,
  progressOf,
  statusTones,
  type Tone,
} from "./peer.js";

export function StatusBadge({ status }: { readonly status: Peer["status"] }) {
  return <ToneBadge tone={statusTones[status]} />;
}

export function HealthBadge({ health }: { readonly health: Peer["health"] }) {
  return <ToneBadge tone={healthTones[health]} />;
}

function ToneBadge({ tone: { label, color, meaning } }: { readonly tone: Tone }) {
  return (
    <Tooltip label={meaning} multiline maw={320}>
      <Badge variant="light" color={color} size="sm" tabIndex={0}>
        {label}
      </Badge>
    </Tooltip>
  );
}

const marks = {
  complete: { icon: IconCircleCheck, color: "var(--app-good)", text: "complete, and proven" },
  incomplete: { icon: IconAlertTriangle, color: "var(--app-bad)", text: "something is missing" },
  unknown: { icon: IconCircleDashed, color: "var(--mantine-color-dimmed)", text: "not proven yet" },
} as const;

/** What the newest certificate of each layer says, and how old the oldest of them is. */
export function Completeness(peer: Pick<Peer, "complete" | "certified_at">) {
  const at = certifiedAt(peer);
  return (
    <Stack gap={1}>
      <Marks complete={peer.complete} />
      {at !== null && (
        <Text size="xs" c="dimmed" component="div">
          <Ago at={at} size="xs" />
        </Text>
      )}
    </Stack>
  );
}

/** How many batches are under way in each layer, and how far they are. */
export function Batches({ peer }: { readonly peer: Peer }) {
  const layersUnderWay = progressOf(peer);
  if (layersUnderWay.length === 0) return "–";
  return (
    <Stack gap={0}>
      {layersUnderWay.map(({ layer, batches, share, received }) => (
        <Text key={layer} size="xs" title={`${batches} batches of ${layerLabels[layer]}`}>
          {batches} × {layerLabels[layer].toLowerCase()},{" "}
          {share === null ? `${formatCount(received)} received` : formatShare(share)}
        </Text>
      ))}
    </Stack>
  );
}

function Marks({ complete }: Pick<Peer, "complete">) {
  const summary = layers.map((layer) => `${layerLabels[layer]}: ${marks[markOf(complete[layer])].text}`).join("\n");
  return (
    <Tooltip label={<span style={{ whiteSpace: "pre-line" }}>{summary}</span>} multiline>
      <Group gap={2} wrap="nowrap" role="img" aria-label={summary.replaceAll("\n", ", ")} tabIndex={0} w="fit-content">
        {layers.map((layer) => (
          <Mark key={layer} complete={complete[layer]} />
        ))}
      </Group>
    </Tooltip>
  );
}

function Mark({ complete }: { readonly complete: boolean | null }) {
  const { icon: Icon, color } = marks[markOf(complete)];
  return <Icon size={16} stroke={1.8} color={color} aria-hidden />;
}

function markOf(complete: boolean | null): keyof typeof marks {
  if (complete === null) return "unknown";
  return complete ? "complete" : "incomplete";
}

/** How much of what is wanted is proven to be here. */
export function Progress({ peer }: { readonly peer: Peer }) {
  const wanted = peer.wanted.repos + peer.wanted.root_events;
  const confirmed = peer.confirmed.repos + peer.confirmed.root_events;
  if (wanted === 0)
    return (
      <Text size="xs" c="dimmed">
        announcements only
      </Text>
    );
  const share = Math.min(1, confirmed / wanted);
  return (
    <Tooltip
      label={`${peer.confirmed.repos} of ${peer.wanted.repos} repositories, ${peer.confirmed.root_events} of ${peer.wanted.root_events} conversations`}
    >
      <Group gap={8} wrap="nowrap" tabIndex={0}>
        <Box w={64} h={6} bg="var(--app-quiet)" style={{ borderRadius: 3, overflow: "hidden" }} aria-hidden>
          <Box w={`${share * 100}%`} h="100%" bg={share === 1 ? "var(--app-good)" : "var(--app-chart)"} />
        </Box>
        <Text size="xs" className="figure" style={{ whiteSpace: "nowrap" }}>
          {Math.floor(share * 100)} %
        </Text>
      </Group>
    </Tooltip>
  );
}

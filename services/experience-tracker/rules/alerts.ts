import type { Definition } from "@signalbox/experience";
import { budgetSeries } from "./budgets.js";
import { burnAlerts } from "./burn-alerts.js";
import { experienceLinks, trackerLinks } from "./links.js";
import { discardsWindow } from "./recordings.js";
import type { AlertingRule, RuleGroup } from "./rule.js";
import { definitionLabels, type SeriesNames, selectorOf } from "./series.js";
import type { RuleSettings } from "./settings.js";
import { duration, sentence } from "./text.js";

/** What belongs to one definition: its budgets as series, and its alerts. */
export function definitionGroup(names: SeriesNames, definition: Definition, settings: RuleSettings): RuleGroup {
  const budgets = budgetSeries(names, definition);
  const group = { name: `signalbox-experience-${definition.id}`, interval: "30s" };
  if (!definition.alerts.enabled)
    return {
      ...group,
      rules: budgets,
      comments: [`${definition.id} has no alerts: its definition switches them off.`],
    };
  const burning = burnAlerts(names, definition, settings);
  return {
    ...group,
    rules: [...budgets, ...burning.rules, ...watchAlerts(names, definition, settings)],
    comments: burning.leftOut,
  };
}

/** Alerts on what cannot be seen: series, traffic, and failures that are called something else. */
function watchAlerts(names: SeriesNames, definition: Definition, { publicUrl }: RuleSettings): AlertingRule[] {
  const { id, alerts } = definition;
  const description = sentence(definition.description);
  const ticket = { ...definitionLabels(names, definition), severity: "ticket" };
  const info = `${names.info}{${names.idLabel}="${id}"}`;
  const absent: AlertingRule = {
    alert: "CoveredExperienceMetricsAbsent",
    expr: `absent(${info})`,
    for: "15m",
    labels: ticket,
    annotations: {
      summary: `Nothing is known of ${id}`,
      description: `${description} The tracker does not show this experience: it is away, is not scraped, or has no such definition any more.`,
      ...experienceLinks(publicUrl, id, "open"),
    },
  };
  const traffic: AlertingRule[] =
    alerts.expectTrafficWithinS === undefined
      ? []
      : [noTraffic(names, definition, duration(trafficWindowS(alerts.expectTrafficWithinS)), publicUrl)];
  return [absent, ...traffic, discardsAlert(names, definition, publicUrl)];
}

/** Less would not hold two scrapes, more is not kept by Prometheus; one absurd number must not spoil the whole file. */
function trafficWindowS(expectedWithinS: number): number {
  return Math.min(28 * 86_400, Math.max(300, Math.ceil(expectedWithinS)));
}

function noTraffic(
  names: SeriesNames,
  definition: Definition,
  window: string,
  publicUrl: string | undefined,
): AlertingRule {
  const { id } = definition;
  const selector = `{${names.idLabel}="${id}"}`;
  return {
    alert: "CoveredExperienceNoTraffic",
    // Who has not watched for that long cannot say that nothing came.
    expr: `sum by (${names.idLabel}) (increase(${names.checkpoints}${selector}[${window}])) == 0\nand on (${names.idLabel}) ${names.info}${selector} offset ${window}`,
    for: "2m",
    labels: { ...definitionLabels(names, definition), severity: "ticket" },
    annotations: {
      summary: `No checkpoint of ${id} for ${window}`,
      description: `${sentence(definition.description)} Nobody begins it, or nobody tells of it.`,
      ...experienceLinks(publicUrl, id, "open"),
    },
  };
}

const minDiscards = 20;
const maxDiscardShare = 0.2;

function discardsAlert(names: SeriesNames, definition: Definition, publicUrl: string | undefined): AlertingRule {
  const { id } = definition;
  const selector = selectorOf(names, definition);
  const discards = `sum(${names.recorded(`discards:increase_${discardsWindow}`)}{covered_experience_id="${id}"})`;
  const operations = `sum(${names.recorded(`ops:rate_${discardsWindow}`)}${selector} * ${names.recorded(`observed:seconds_${discardsWindow}`)}${selector})`;
  return {
    alert: "CoveredExperienceDiscardsHigh",
    expr: `${discards} / (${discards} + (${operations} or vector(0))) > ${maxDiscardShare}\nand ${discards} > ${minDiscards - 0.5}`,
    for: "15m",
    labels: { ...definitionLabels(names, definition), severity: "ticket" },
    annotations: {
      summary: `{{ $value | humanizePercentage }} of the runs of ${id} were discarded within ${discardsWindow}`,
      description: `${sentence(definition.description)} Discarded runs count neither as success nor as failure: are these really mistakes of users or settings?`,
      ...experienceLinks(publicUrl, id, "finished"),
    },
  };
}

const canarySuccess = "signalbox_experience_canary_last_success_timestamp_seconds";

/** Alerts on the tracker itself, once for all definitions. */
export function trackerGroup({ canaryIntervalS, publicUrl }: RuleSettings): RuleGroup {
  // Five journeys in a row; at least 300 seconds.
  const limitS = Math.max(300, 5 * canaryIntervalS);
  const blind: AlertingRule = {
    alert: "CoveredExperienceTrackerBlind",
    expr: `time() - ${canarySuccess} > ${limitS}\nor\nabsent(${canarySuccess})`,
    // After a start there is nothing to be seen before the first journey is over.
    for: duration(Math.max(120, canaryIntervalS + 60)),
    labels: { severity: "page" },
    annotations: {
      summary: "The experience tracker does not measure anything",
      description: `It has not seen its own journey succeed for more than ${duration(limitS)}, or is not scraped. As long as this lasts, nothing that other alerts say of experiences means much.`,
      ...trackerLinks(publicUrl),
    },
  };
  const behind: AlertingRule = {
    alert: "CoveredExperienceReaperBehind",
    expr: "max(signalbox_experience_oldest_overdue_seconds) > 60",
    for: "5m",
    labels: { severity: "ticket" },
    annotations: {
      summary: "Overdue runs are closed {{ $value | humanizeDuration }} late",
      description:
        "Timeouts are counted too late: no tracker runs a reaper, or the state store is slow. Verdicts keep their own time.",
      ...trackerLinks(publicUrl),
    },
  };
  return {
    name: "signalbox-experiences-tracker",
    interval: "30s",
    rules: canaryIntervalS > 0 ? [blind, behind] : [behind],
    comments: canaryIntervalS > 0 ? [] : ["CoveredExperienceTrackerBlind is left out: the canary is switched off."],
  };
}

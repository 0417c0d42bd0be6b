// A policy module for the git relay: set `relay.policy.module` to this file, or to a copy of it with rules of your own, and
// try it before with `signalbox relay policy-check --module relay-policy.mjs --since 30d`.

/** Whoever may announce repositories here, as 64 hex digits each. Empty: everybody. */
const mayAnnounce = new Set([]);

/** Calling more people than this into one conversation is taken for spam. */
const maxMentions = 20;

/** Strangers may write this much; more belongs into a repository. */
const maxCharacters = 20_000;

const announcement = 30617;
const patch = 1617;

/**
 * @param event a Nostr event whose id and signature are right
 * @param context `{ source, now, authenticated, isRelated, repositories, announcements }`
 */
export function decide(event, context) {
  if (event.kind === announcement) return decideAnnouncement(event, context);
  const mentions = event.tags.filter(([name]) => name === "p").length;
  if (mentions > maxMentions) return refuse("blocked", `more than ${maxMentions} people are mentioned`);
  if (event.kind !== patch && event.content.length > maxCharacters)
    return refuse("invalid", `more than ${maxCharacters} characters`);
  return { kind: "accept" };
}

/** The maintainers of a repository that is here already need no entry of their own. */
function decideAnnouncement(event, { announcements }) {
  const isInvited = announcements.some(({ maintainers }) => maintainers.includes(event.pubkey));
  if (mayAnnounce.size === 0 || mayAnnounce.has(event.pubkey) || isInvited) return { kind: "accept" };
  return refuse("restricted", "ask the operator for a place for your repository");
}

function refuse(prefix, text) {
  return { kind: "reject", prefix, text };
}

import { api, pageOf } from "../../api/client.js";
import type { Peer } from "./peer.js";

/** There are five hundred at most. */
export async function readAllPeers(): Promise<readonly Peer[]> {
  const found: Peer[] = [];
  for (let cursor: string | null | undefined; cursor !== null; ) {
    const answer = api.GET("/api/v1/relay/peers", {
      params: { query: { limit: 100, ...(cursor === undefined ? {} : { cursor }) } },
    });
    const page = await pageOf(answer);
    found.push(...page.items);
    cursor = page.next;
  }
  return found;
}

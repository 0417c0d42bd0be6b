import { createTokenSource, type TokenProvider, type TokenSource } from "../token-source.js";

/**
 * Asks the page's provider, except while the page is hidden: a page that ends does not wait for an answer, so the last
 * token has to do. Should it be refused and the page still be there, the provider is asked after all.
 */
export function createPageTokenSource(
  token: string | undefined,
  provider: TokenProvider | undefined,
  isHidden: () => boolean,
): TokenSource {
  const source = createTokenSource(token, provider);
  let last: string | undefined;
  return {
    canRefresh: source.canRefresh,
    async get(refresh) {
      if (last !== undefined && !refresh && isHidden()) return last;
      last = await source.get(refresh);
      return last;
    },
  };
}

/** Asked for each request; `refresh` after the tracker refused the last token. Its own cache is its own matter. */
export type TokenProvider = (options: { readonly refresh: boolean }) => string | Promise<string>;

export interface TokenSource {
  /** Whether a refused token can be followed by another. */
  readonly canRefresh: boolean;
  /** Rejects when the provider does. */
  get(refresh: boolean): Promise<string | undefined>;
}

export function createTokenSource(token: string | undefined, provider: TokenProvider | undefined): TokenSource {
  if (!provider) return { canRefresh: false, get: async () => token };
  return { canRefresh: true, get: async (refresh) => provider({ refresh }) };
}

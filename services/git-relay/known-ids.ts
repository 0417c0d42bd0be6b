/** Answers whether ids are stored; what is asked in one turn of the event loop becomes one question. */
export interface KnownIds {
  has(id: string): Promise<boolean>;
}

export function createKnownIds(find: (ids: readonly string[]) => Promise<ReadonlySet<string>>): KnownIds {
  let asked: Set<string> | undefined;
  let answer: Promise<ReadonlySet<string>> | undefined;
  return {
    async has(id) {
      asked ??= new Set();
      asked.add(id);
      answer ??= new Promise<void>((resolve) => setImmediate(resolve)).then(() => {
        const ids = [...(asked ?? [])];
        asked = undefined;
        answer = undefined;
        return find(ids);
      });
      return (await answer).has(id);
    },
  };
}

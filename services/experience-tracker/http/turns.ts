import { ExperienceError } from "@signalbox/experience";

/** Lets some of what waits be worked on, in the order of arrival. */
export interface Turns {
  /**
   * Calls `work` when there is room for it; what is heavier than all the room goes alone. Until then it weighs
   * `waitingWeight`, by default as much.
   * @throws {ExperienceError} `backlog_full` when too much waits already.
   */
  take<T>(weight: number, work: () => Promise<T>, waitingWeight?: number): Promise<T>;
}

export function createTurns({ room, maxWaiting }: { readonly room: number; readonly maxWaiting: number }): Turns {
  const waiting: { readonly weight: number; readonly waitingWeight: number; readonly begin: () => void }[] = [];
  let taken = 0;
  let held = 0;

  const fits = (weight: number): boolean => taken === 0 || taken + weight <= room;

  const leave = (weight: number): void => {
    taken -= weight;
    for (let [next] = waiting; next && fits(next.weight); [next] = waiting) {
      waiting.shift();
      held -= next.waitingWeight;
      taken += next.weight;
      next.begin();
    }
  };

  return {
    async take(weight, work, waitingWeight = weight) {
      if (waiting.length === 0 && fits(weight)) taken += weight;
      else {
        if (held + waitingWeight > maxWaiting) throw new ExperienceError("backlog_full");
        held += waitingWeight;
        await new Promise<void>((begin) => {
          waiting.push({ weight, waitingWeight, begin });
        });
      }
      try {
        return await work();
      } finally {
        leave(weight);
      }
    },
  };
}

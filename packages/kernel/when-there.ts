/**
 * Goes on with a value: at once when it is there, else when its promise has it. What passes by many thousand times a second
 * and is nearly always there should not wait a turn, and cost a promise, each time. Like any call, `next` may throw.
 */
export function whenThere<T, R>(value: T | Promise<T>, next: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}

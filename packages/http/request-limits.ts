import type { Clock, Counter } from "@signalbox/kernel";
import { addressGroup } from "./client-address.js";
import { HttpProblem } from "./problems.js";
import { createRateLimiter, type Rate, type RateLimiter } from "./rate-limit.js";

export interface RateLimits {
  /** Every request of an address (IPv6: of its /64), before anything else is done for it. */
  readonly perAddress: Rate;
  /** Every request with one token. */
  readonly perToken: Rate;
  /** Requests of an address whose token is refused. */
  readonly failedLogins: Rate;
}

export const defaultRateLimits: RateLimits = {
  perAddress: { perSecond: 200, burst: 1000 },
  perToken: { perSecond: 100, burst: 500 },
  failedLogins: { perSecond: 0.1, burst: 10 },
};

/** The shared limits of one server. Each call throws 429 `rate_limited` with `Retry-After` when its limit is reached. */
export interface RequestLimits {
  countAddress(address: string): void;
  countToken(tokenId: string): void;
  /** Refuses without counting when the address has failed too often: a token is then not even verified. */
  checkFailedLogins(address: string): void;
  countFailedLogin(address: string): void;
}

export function createRequestLimits(rates: RateLimits, clock: Clock, limited: Counter): RequestLimits {
  const byAddress = createRateLimiter(rates.perAddress, clock);
  const byToken = createRateLimiter(rates.perToken, clock);
  const failedLogins = createRateLimiter(rates.failedLogins, clock);
  const refuseAfter = (waitMs: number, by: string): void => {
    if (waitMs === 0) return;
    limited.add(1, { by });
    throw new HttpProblem("rate_limited", {
      headers: { "retry-after": String(Math.max(1, Math.ceil(waitMs / 1000))) },
    });
  };
  const take = (limiter: RateLimiter, key: string, by: string): void => refuseAfter(limiter.take(key), by);
  return {
    countAddress: (address) => take(byAddress, addressGroup(address), "address"),
    countToken: (tokenId) => take(byToken, tokenId, "token"),
    checkFailedLogins: (address) => refuseAfter(failedLogins.waitMs(addressGroup(address)), "failed_login"),
    countFailedLogin: (address) => void failedLogins.take(addressGroup(address)),
  };
}

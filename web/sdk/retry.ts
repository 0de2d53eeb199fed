import { ConnectionLost, HubError } from "./errors.js";

export interface RetryPolicy {
  attempts: number;
  firstMs: number;
  maxMs: number;
}

export const RETRY: RetryPolicy = { attempts: 5, firstMs: 150, maxMs: 3_000 };

/** How long to wait after so many failures: doubling, jittered, bounded. */
export function delayMs(
  failures: number,
  policy: RetryPolicy = RETRY,
  random: () => number = Math.random,
): number {
  const most = Math.min(policy.firstMs * 2 ** Math.max(failures - 1, 0), policy.maxMs);
  return most * (0.5 + random() / 2);
}

export const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/** Run until it succeeds, is refused for good, or the attempts are used up. */
export async function retrying<T>(run: () => Promise<T>, policy: RetryPolicy = RETRY): Promise<T> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await run();
    } catch (error) {
      const passing =
        error instanceof ConnectionLost || (error instanceof HubError && error.mayBeRetried);
      if (!passing || failures >= policy.attempts) throw error;
      const requestedMs = error instanceof HubError ? (error.retryAfterMs ?? 0) : 0;
      await pause(Math.max(delayMs(failures, policy), Math.min(requestedMs, policy.maxMs)));
    }
  }
}

import { useEffect, useState } from "preact/hooks";
import { codeOf, HubError } from "../sdk/index";
import { tCode } from "./i18n";
import { notify } from "./toasts";

const AGAIN_MS = 2_000;

/** The result of a request, retried until the hub answers or refuses for good. */
export function useLoaded<T>(load: () => Promise<T>, inputs: readonly unknown[]): T | null {
  const [loaded, setLoaded] = useState<T | null>(null);
  useEffect(() => {
    let current = true;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const attempt = (): void => {
      load().then(
        (answer) => void (current && setLoaded(answer)),
        (error: unknown) => {
          if (!current) return;
          if (error instanceof HubError && !error.mayBeRetried)
            notify(tCode(codeOf(error)), "problem");
          else timer = setTimeout(attempt, AGAIN_MS);
        },
      );
    };
    attempt();
    return () => {
      current = false;
      clearTimeout(timer);
    };
  }, inputs);
  return loaded;
}

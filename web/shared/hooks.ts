import { useCallback, useEffect, useRef, useState } from "preact/hooks";
import { codeOf, type Observable } from "../sdk/index";
import { tCode } from "./i18n";
import { nowMs } from "./instants";

/** The value of an observable; the component is drawn again when it changes. */
export function useValue<T>(observable: Observable<T>): T {
  const [, redraw] = useState(0);
  useEffect(() => {
    redraw((count) => count + 1); // it may have changed since the first drawing
    return observable.watch(() => redraw((count) => count + 1));
  }, [observable]);
  return observable.value;
}

/** Something that is closed when the component goes, or when `inputs` change. */
export function useResource<T extends { close(): void }>(
  open: () => T | null,
  inputs: readonly unknown[],
): T | null {
  const [resource, setResource] = useState<T | null>(null);
  useEffect(() => {
    const opened = open();
    setResource(opened);
    return () => opened?.close();
  }, inputs);
  return resource;
}

/** Run a command: `busy` while it runs, `problem` in words when it failed. */
export function useCommand(): {
  busy: boolean;
  problem: string;
  run: (
    work: () => Promise<unknown>,
    onRefused?: (code: string) => boolean | undefined,
  ) => Promise<boolean>;
  clear: () => void;
} {
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState("");
  const run = useCallback(
    async (work: () => Promise<unknown>, onRefused?: (code: string) => boolean | undefined) => {
      setBusy(true);
      setProblem("");
      try {
        await work();
        return true;
      } catch (error) {
        const code = codeOf(error);
        if (onRefused?.(code) !== true) setProblem(tCode(code));
        return false;
      } finally {
        setBusy(false);
      }
    },
    [],
  );
  return { busy, problem, run, clear: () => setProblem("") };
}

/** Now by the hub's clock, moving by itself. */
export function useNow(everyMs: number): number {
  const [now, setNow] = useState(nowMs());
  useEffect(() => {
    const timer = setInterval(() => setNow(nowMs()), everyMs);
    return () => clearInterval(timer);
  }, [everyMs]);
  return now;
}

/** A key anywhere on the page, unless a dialog is open or something else has used it. */
export function useKey(key: string, pressed: (event: KeyboardEvent) => void): void {
  const latest = useRef(pressed);
  latest.current = pressed;
  useEffect(() => {
    const down = (event: KeyboardEvent): void => {
      if (event.key !== key || event.defaultPrevented || event.isComposing) return;
      if (document.querySelector("dialog[open]") === null) latest.current(event);
    };
    addEventListener("keydown", down);
    return () => removeEventListener("keydown", down);
  }, [key]);
}

/** Draws again when the window's width crosses the line. */
export function useMedia(query: string): boolean {
  const media = useRef(matchMedia(query)).current;
  const [matches, setMatches] = useState(media.matches);
  useEffect(() => {
    const changed = (): void => setMatches(media.matches);
    media.addEventListener("change", changed);
    return () => media.removeEventListener("change", changed);
  }, [media]);
  return matches;
}

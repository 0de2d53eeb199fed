import { useEffect, useRef } from "preact/hooks";
import { Observable } from "../sdk/index";
import { useValue } from "./hooks";

interface Action {
  label: string;
  run: () => void;
}

interface Toast {
  id: number;
  text: string;
  kind: "news" | "problem";
  action?: Action;
}

const SHOWN_MS = 7_000;
const toasts = new Observable<readonly Toast[]>([]);
let ids = 0;

/** A short message at the edge, with a button perhaps; read aloud, gone by itself. */
export function notify(
  text: string,
  kind: Toast["kind"] = "news",
  action?: Action,
  shownMs: number = SHOWN_MS,
): number {
  ids += 1;
  const id = ids;
  toasts.set([...toasts.value.slice(-2), { id, text, kind, ...(action && { action }) }]);
  setTimeout(() => dismiss(id), shownMs);
  return id;
}

export const dismiss = (id: number): void =>
  toasts.set(toasts.value.filter((each) => each.id !== id));

/** In the browser's top layer, so that no dialog covers them; raised by every new message. */
export function Toasts() {
  const container = useRef<HTMLDivElement>(null);
  const shown = useValue(toasts);
  const newest = shown.at(-1)?.id ?? 0;
  useEffect(() => {
    const element = container.current;
    if (element?.matches(":popover-open")) element.hidePopover();
    if (newest > 0) element?.showPopover();
  }, [newest]);
  return (
    <div ref={container} class="toasts" role="log" aria-live="polite" popover="manual">
      {shown.map(({ id, text, kind, action }) => (
        <p key={id} class={`toast ${kind}`}>
          <span>{text}</span>
          {action && (
            <button type="button" class="toast-action" onClick={action.run}>
              {action.label}
            </button>
          )}
        </p>
      ))}
    </div>
  );
}

import { Observable } from "../sdk/index";
import { useValue } from "./hooks";

interface Toast {
  id: number;
  text: string;
  kind: "news" | "problem";
}

const SHOWN_MS = 7_000;
const toasts = new Observable<readonly Toast[]>([]);
let ids = 0;

/** A short message at the edge; read aloud, gone by itself. */
export function notify(text: string, kind: Toast["kind"] = "news"): void {
  ids += 1;
  const id = ids;
  toasts.set([...toasts.value.slice(-2), { id, text, kind }]);
  setTimeout(() => toasts.set(toasts.value.filter((each) => each.id !== id)), SHOWN_MS);
}

export function Toasts() {
  return (
    <div class="toasts" role="log" aria-live="polite">
      {useValue(toasts).map(({ id, text, kind }) => (
        <p key={id} class={`toast ${kind}`}>
          {text}
        </p>
      ))}
    </div>
  );
}

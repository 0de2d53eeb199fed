/** Changes that can be taken back for a while, by a button or Ctrl+Z; the latest first. */

import { codeOf } from "../sdk/index";
import { t, tCode } from "./i18n";
import { dismiss, notify } from "./toasts";

export const UNDO_MS = 10_000;

interface Offer {
  toast: number;
  until: number;
  back: () => Promise<unknown>;
}

let offers: readonly Offer[] = [];

/** `text` says what was done; `back` undoes it, and its refusal is shown. */
export function offerUndo(text: string, back: () => Promise<unknown>): void {
  const action = { label: t("undo"), run: () => take(offer) };
  const offer: Offer = {
    toast: notify(text, "news", action, UNDO_MS),
    until: performance.now() + UNDO_MS,
    back,
  };
  offers = [...offers.filter((each) => each.until > performance.now()), offer];
}

/** `false` if there is nothing that can still be undone. */
export function undoLast(): boolean {
  const offer = offers.findLast((each) => each.until > performance.now());
  if (offer !== undefined) take(offer);
  return offer !== undefined;
}

function take(offer: Offer): void {
  if (!offers.includes(offer)) return;
  offers = offers.filter((each) => each !== offer);
  dismiss(offer.toast);
  offer.back().then(
    () => notify(t("undo.done")),
    (error: unknown) => notify(tCode(codeOf(error)), "problem"),
  );
}

const TYPED = "input, textarea, select";

/** Ctrl+Z (Cmd+Z), except where it undoes typing. */
export function watchUndoKey(): () => void {
  const pressed = (event: KeyboardEvent): void => {
    if (event.key.toLowerCase() !== "z" || !(event.ctrlKey || event.metaKey) || event.shiftKey)
      return;
    if (event.target instanceof Element && event.target.matches(TYPED)) return;
    if (undoLast()) event.preventDefault();
  };
  addEventListener("keydown", pressed);
  return () => removeEventListener("keydown", pressed);
}

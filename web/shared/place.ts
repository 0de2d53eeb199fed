/**
 * Where the user is within a page: its address. Links, reloads and the back button keep it.
 */

import { Observable } from "../sdk/index";

export interface Place {
  /** E.g. `/patient/visits`. */
  path: string;
  query: URLSearchParams;
}

/** Marks what was reached from another place of this page. */
const INSIDE = "inside";

/** Chosen for the whole page, so every address of it keeps them. */
const KEPT = ["lang"];

export const place = new Observable<Place>(here());
addEventListener("popstate", () => place.set(here()));

/** Goes to an address of this page; `replace`: without a further step for the back button. */
export function go(address: string, how: "push" | "replace" = "push"): void {
  const url = new URL(address, location.href);
  for (const name of KEPT) {
    const value = place.value.query.get(name);
    if (value !== null && !url.searchParams.has(name)) url.searchParams.set(name, value);
  }
  if (how === "push") history.pushState(INSIDE, "", url);
  else history.replaceState(history.state, "", url);
  place.set(here());
}

/** Back to where the user was on this page; to `address` if they came from elsewhere. */
export function back(address: string): void {
  if (history.state === INSIDE) history.back();
  else go(address, "replace");
}

/** For links: goes there without loading the page again, unless it is to be a new window. */
export function follow(event: MouseEvent, address: string): void {
  if (event.button !== 0 || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey)
    return;
  event.preventDefault();
  go(address);
}

function here(): Place {
  return { path: location.pathname, query: new URLSearchParams(location.search) };
}

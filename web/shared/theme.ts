/** Light or dark: the system's choice until the user makes one. */

import { Observable } from "../sdk/index";

export type Theme = "auto" | "light" | "dark";
const REMEMBERED = "chairside-theme";

export const theme = new Observable<Theme>(
  (localStorage.getItem(REMEMBERED) as Theme | null) ?? "auto",
);

theme.watch(apply);
apply(theme.value);

/** The other one than what is shown now. */
export function toggle(): void {
  const dark =
    theme.value === "dark" ||
    (theme.value === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  const chosen = dark ? "light" : "dark";
  localStorage.setItem(REMEMBERED, chosen);
  theme.set(chosen);
}

function apply(chosen: Theme): void {
  document.documentElement.dataset.theme = chosen;
}

/** Words: one file a language, chosen by the page's address, the user, then the browser. */

import { Observable } from "../sdk/index";
import { american } from "./strings/american";
import { de } from "./strings/de";
import { en, type Key, type Strings } from "./strings/en";

export type Language = "en" | "en-US" | "de";
export const LANGUAGES: Record<Language, string> = {
  en: "English",
  "en-US": "English (US)",
  de: "Deutsch",
};
const STRINGS: Record<Language, Strings> = { en, "en-US": american(en), de };
/** How dates and times are written; English without a country is that of Europe. */
const LOCALES: Record<Language, string> = { en: "en-GB", "en-US": "en-US", de: "de" };
const REMEMBERED = "chairside-language";

export const language = new Observable<Language>(first());

export function choose(chosen: Language): void {
  localStorage.setItem(REMEMBERED, chosen);
  language.set(chosen);
}

export const locale = (): string => LOCALES[language.value];
/** American clocks have twelve hours, and American dates begin with the month. */
export const isAmerican = (): boolean => language.value === "en-US";

/** A sentence in the user's language; `{name}` is replaced, `one|many` chooses a form by `n`. */
export function t(key: Key, values: Record<string, string | number> = {}): string {
  const forms = STRINGS[language.value][key].split("|");
  const one =
    forms.length === 2 && new Intl.PluralRules(language.value).select(Number(values.n)) === "one";
  const form = (forms.length === 2 && !one ? forms[1] : forms[0]) as string;
  return form.replace(/\{(\w+)\}/g, (_, name: string) => String(values[name] ?? ""));
}

/** The sentence for a code of the hub, or the general one. */
export function tCode(code: string): string {
  const key = `error.${code}`;
  return t(key in en ? (key as Key) : "error.INTERNAL_ERROR");
}

function first(): Language {
  const requested = new URLSearchParams(location.search).get("lang");
  for (const each of [requested, localStorage.getItem(REMEMBERED), ...navigator.languages]) {
    if (each === "en-US") return each;
    const short = each?.slice(0, 2);
    if (short === "en" || short === "de") return short;
  }
  return "en";
}

import type { Strings } from "./en";

/** The same sentences, spelt and worded as in the United States. */
export function american(strings: Strings): Strings {
  const spelt = (text: string): string =>
    text
      .replace(/ancell(ed|ing)/g, "ancel$1")
      .replace(/Telephone/g, "Phone")
      .replace(/telephone/g, "phone");
  return Object.fromEntries(
    Object.entries(strings).map(([key, text]) => [key, spelt(text)]),
  ) as unknown as Strings;
}

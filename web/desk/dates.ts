/** Dates of birth as people type them. Pure. */

/** `3.8.1980`, `03/08/1980` (the day first) or `1980-08-03` as the hub reads it; others stay. */
export function searchText(text: string): string {
  const date = text.match(/^(\d{1,2})[./](\d{1,2})[./](\d{4})$/);
  if (date === null) return text;
  const [, day = "", month = "", year = ""] = date;
  return `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}`;
}

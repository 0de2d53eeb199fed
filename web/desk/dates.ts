/** Dates of birth as people type them. Pure. */

/**
 * `3.8.1980`, `03/08/1980` or `1980-08-03` as the hub reads it; other text stays. With slashes
 * the day is first, or the month where that is usual.
 */
export function searchText(text: string, isMonthFirst = false): string {
  const date = text.match(/^(\d{1,2})([./])(\d{1,2})[./](\d{4})$/);
  if (date === null) return text;
  const [, one = "", mark, other = "", year = ""] = date;
  const [day, month] = isMonthFirst && mark === "/" ? [other, one] : [one, other];
  return `${year}-${month.padStart(2, "0")}-${day.padStart(2, "0")}`;
}

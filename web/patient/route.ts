/** The addresses of the patient's page, and what they mean. Pure. */

import { isDate } from "../shared/instants";

export const TIMES = {
  any: {},
  morning: { timeTo: "12:00" },
  afternoon: { timeFrom: "12:00", timeTo: "17:00" },
  evening: { timeFrom: "17:00" },
} as const;
export type TimeOfDay = keyof typeof TIMES;

/** What is looked for; what an address leaves out is chosen by the page. */
export interface Search {
  type?: string;
  dentist?: string;
  time?: TimeOfDay;
  /** The first of the days shown. */
  from?: string;
  /** The day whose times are shown. */
  day?: string;
  /** A visit that the practice cancelled, which the new one replaces. */
  instead?: string;
}

export type Route =
  | { is: "find"; search: Search }
  | { is: "move"; id: string; search: Search }
  | { is: "mine" }
  | { is: "profile" };

const BASE = "/patient";
const MOVE = /^\/patient\/visits\/([^/]+)\/move$/;
const NAMES = ["type", "dentist", "time", "from", "day", "instead"] as const;

export function routeOf(path: string, query: URLSearchParams): Route {
  const moving = MOVE.exec(path)?.[1];
  if (moving !== undefined) return { is: "move", id: moving, search: searchOf(query) };
  if (path === `${BASE}/visits`) return { is: "mine" };
  if (path === `${BASE}/profile`) return { is: "profile" };
  return { is: "find", search: searchOf(query) };
}

export function addressOf(route: Route): string {
  switch (route.is) {
    case "mine":
      return `${BASE}/visits`;
    case "profile":
      return `${BASE}/profile`;
    case "move":
      return `${BASE}/visits/${route.id}/move${queryOf(route.search)}`;
    case "find":
      return BASE + queryOf(route.search);
  }
}

function searchOf(query: URLSearchParams): Search {
  const search: Record<string, string> = {};
  for (const name of NAMES) {
    const value = query.get(name);
    if (value !== null && isValid(name, value)) search[name] = value;
  }
  return search;
}

function isValid(name: (typeof NAMES)[number], value: string): boolean {
  if (name === "time") return Object.hasOwn(TIMES, value);
  return name === "from" || name === "day" ? isDate(value) : value !== "";
}

function queryOf(search: Search): string {
  const query = new URLSearchParams();
  for (const name of NAMES) {
    const value = search[name];
    if (value !== undefined && value !== "" && !(name === "time" && value === "any"))
      query.set(name, value);
  }
  const text = query.toString();
  return text === "" ? "" : `?${text}`;
}

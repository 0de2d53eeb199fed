/** When the hours differ: time off in one range, and single days with other hours. */

import { useState } from "preact/hooks";
import type { Availability } from "../sdk/index";
import { t } from "../shared/i18n";
import { day, plusDays, today } from "../shared/zones";
import { Windows } from "./windows";

export interface Editing {
  draft: Availability;
  onChange: (draft: Availability) => void;
}

/** Vacation and the like: from one date to another, whatever the hours of those days are. */
export function TimeOff({ draft, zone, onChange }: Editing & { zone: string }) {
  const [from, setFrom] = useState("");
  const [to, setTo] = useState("");
  const upcoming = draft.time_off.filter((each) => each.end_date >= plusDays(today(zone), -1));
  const set = (time_off: Availability["time_off"]): void => onChange({ ...draft, time_off });
  const add = (): void => {
    const added = { start_date: from, end_date: to, start: "00:00", end: "24:00" };
    set([...draft.time_off, added].sort((a, b) => a.start_date.localeCompare(b.start_date)));
    setFrom("");
    setTo("");
  };
  return (
    <section class="card">
      <h2>{t("off.title")}</h2>
      <p class="hint">{t("off.hint")}</p>
      <ul class="time-off">
        {upcoming.map((each) => (
          <li key={`${each.start_date} ${each.start}`} data-off={each.start_date}>
            {wordsOf(each)}{" "}
            <button
              type="button"
              class="link"
              aria-label={t("off.remove", { day: wordsOf(each) })}
              onClick={() => set(draft.time_off.filter((other) => other !== each))}
            >
              {t("off.end")}
            </button>
          </li>
        ))}
      </ul>
      <div class="inline">
        <div>
          <label for="off-from">{t("off.from")}</label>
          <input
            id="off-from"
            type="date"
            min={today(zone)}
            value={from}
            onInput={(event) => {
              setFrom(event.currentTarget.value);
              if (to < event.currentTarget.value) setTo(event.currentTarget.value);
            }}
          />
        </div>
        <div>
          <label for="off-to">{t("off.to")}</label>
          <input
            id="off-to"
            type="date"
            min={from || today(zone)}
            value={to}
            onInput={(event) => setTo(event.currentTarget.value)}
          />
        </div>
        <button type="button" class="secondary" disabled={!from || to < from} onClick={add}>
          {t("off.add")}
        </button>
      </div>
    </section>
  );
}

/** Whole days, or with the times at which it begins and ends. */
function wordsOf(off: Availability["time_off"][number]): string {
  const at = (date: string, time: string, usual: string): string =>
    day(`${date}T12:00:00Z`, "UTC") + (time === usual ? "" : ` ${time}`);
  const start = at(off.start_date, off.start, "00:00");
  const end = at(off.end_date, off.end, "24:00");
  return start === end ? start : `${start} – ${end}`;
}

export function Overrides({ draft, zone, onChange }: Editing & { zone: string }) {
  const [date, setDate] = useState("");
  const upcoming = draft.overrides.filter((each) => each.date >= plusDays(today(zone), -1));
  const set = (overrides: Availability["overrides"]): void => onChange({ ...draft, overrides });
  const add = (): void => {
    set([...draft.overrides, { date, windows: [] }].sort((a, b) => a.date.localeCompare(b.date)));
    setDate("");
  };
  return (
    <section class="card">
      <h2>{t("hours.overrides")}</h2>
      <p class="hint">{t("hours.overrides.hint")}</p>
      {upcoming.map((each) => (
        <fieldset key={each.date} class="weekday-row" data-override={each.date}>
          <legend>{day(`${each.date}T12:00:00Z`, "UTC")}</legend>
          <Windows
            windows={each.windows}
            label={each.date}
            onChange={(windows) =>
              set(draft.overrides.map((other) => (other === each ? { ...each, windows } : other)))
            }
          />
          <button
            type="button"
            class="link"
            onClick={() => set(draft.overrides.filter((other) => other !== each))}
          >
            {t("hours.as.usual")}
          </button>
        </fieldset>
      ))}
      <div class="inline">
        <label for="override-date">{t("hours.override.date")}</label>
        <input
          id="override-date"
          type="date"
          min={today(zone)}
          value={date}
          onInput={(event) => setDate(event.currentTarget.value)}
        />
        <button
          type="button"
          class="secondary"
          disabled={date === "" || draft.overrides.some((each) => each.date === date)}
          onClick={add}
        >
          {t("hours.override.add")}
        </button>
      </div>
    </section>
  );
}

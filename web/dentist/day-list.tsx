/** The appointments of one day in order, for paper or a second screen. */

import { useEffect } from "preact/hooks";
import { useValue } from "../shared/hooks";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { dateAt, dateWords, plusDays, span, zoneName } from "../shared/zones";
import type { Clinic } from "./clinic";

const ON_PAPER: ReadonlySet<string> = new Set([
  "confirmed",
  "arrived",
  "checked_in",
  "completed",
  "no_show",
]);

export function DayList({
  clinic,
  date,
  onDate,
}: {
  clinic: Clinic;
  date: string;
  onDate: (date: string) => void;
}) {
  const rows = useValue(clinic.list.rows).filter(
    (row) => ON_PAPER.has(row.status) && dateAt(row.start, clinic.zone) === date,
  );
  const people = useValue(clinic.people.known);
  useEffect(() => {
    for (const row of rows) clinic.people.want(row.patient_id);
  }, [rows.map((row) => row.patient_id).join()]);
  return (
    <section class="day-list">
      <div class="toolbar">
        <div class="turn no-print">
          <button
            type="button"
            class="icon"
            aria-label={t("day.earlier")}
            onClick={() => onDate(plusDays(date, -1))}
          >
            <Icon name="left" />
          </button>
          <label class="visually-hidden" for="list-date">
            {t("date")}
          </label>
          <input
            id="list-date"
            type="date"
            value={date}
            onInput={(event) => event.currentTarget.value && onDate(event.currentTarget.value)}
          />
          <button
            type="button"
            class="icon"
            aria-label={t("day.later")}
            onClick={() => onDate(plusDays(date, 1))}
          >
            <Icon name="right" />
          </button>
        </div>
        <h1>
          {dateWords(date, { weekday: "long", day: "numeric", month: "long", year: "numeric" })}
        </h1>
        <p class="muted zone-note">
          {clinic.me.name} · {t("zone.times", { zone: zoneName(clinic.zone) })}
        </p>
        <button type="button" class="primary no-print" onClick={() => print()}>
          <Icon name="print" /> {t("print")}
        </button>
      </div>
      <div class="card table-card" tabIndex={0} role="region" aria-label={t("tab.list")}>
        <table>
          <thead>
            <tr>
              {(["time", "patient", "phone", "type", "status", "notes"] as const).map((each) => (
                <th key={each} scope="col">
                  {t(`list.${each}`)}
                </th>
              ))}
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.id}>
                <td class="figures">{span(row.start, row.end, clinic.zone)}</td>
                <th scope="row">{clinic.people.name(row.patient_id, row.patient.name)}</th>
                <td class="figures">{people.get(row.patient_id)?.phone ?? ""}</td>
                <td>{clinic.types.find((each) => each.id === row.appointment_type_id)?.name}</td>
                <td>
                  <span class={`status ${row.status}`}>{t(`status.${row.status}`)}</span>
                </td>
                <td>{row.notes}</td>
              </tr>
            ))}
          </tbody>
        </table>
        {rows.length === 0 && <p class="empty">{t("list.empty")}</p>}
      </div>
    </section>
  );
}

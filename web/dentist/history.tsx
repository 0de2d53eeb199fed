import { useEffect, useState } from "preact/hooks";
import type { HistoryEntry } from "../sdk/index";
import { t } from "../shared/i18n";
import { clock, day } from "../shared/zones";
import type { Visits } from "./clinic";

/** The history of an appointment, fetched when it is opened and at each change. */
export function History({ clinic, id, version }: { clinic: Visits; id: string; version: number }) {
  const [open, setOpen] = useState(false);
  const [entries, setEntries] = useState<readonly HistoryEntry[]>([]);
  useEffect(() => {
    if (open)
      clinic.hub.rest.history(id).then(
        ({ data }) => setEntries(data),
        () => {},
      );
  }, [clinic, id, version, open]);
  return (
    <details class="history" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>{t("history")}</summary>
      <ol>
        {entries.map((entry) => (
          <li key={entry.version}>
            <span class="muted">
              {day(entry.at, clinic.zone)} {clock(entry.at, clinic.zone)}
            </span>{" "}
            {what(entry, clinic.zone)} <span class="muted">({t(`role.${entry.via}`)})</span>
          </li>
        ))}
      </ol>
    </details>
  );
}

function what(entry: HistoryEntry, zone: string): string {
  if (entry.action === "appointment.moved")
    return t("history.movedHere", {
      day: day(entry.new_start, zone),
      time: clock(entry.new_start, zone),
    });
  const moved = entry.old_start !== null && entry.old_start !== entry.new_start;
  if (moved)
    return t("history.moved", {
      day: day(entry.new_start, zone),
      time: clock(entry.new_start, zone),
    });
  return t(`status.${entry.new_status}`);
}

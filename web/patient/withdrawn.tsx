/** Visits that the practice cancelled: shown first, until the patient has dealt with them. */

import { useEffect, useState } from "preact/hooks";
import { type Appointment, codeOf, type Hub } from "../sdk/index";
import { useNow, useValue } from "../shared/hooks";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { clock, longDay } from "../shared/zones";
import { isAhead, typeOf, type World, zoneOfVisit } from "./world";

const SEEN = "chairside-seen-cancellations";
const SEEN_MAX = 20;
const AGAIN_MS = 3_000;

export function Withdrawn({ world, onFind }: { world: World; onFind: (row: Appointment) => void }) {
  const [seen, setSeen] = useState(readSeen);
  const rows = useWithdrawn(world).filter((row) => !seen.includes(row.id));
  const dismiss = (row: Appointment): void => {
    const next = [...seen, row.id].slice(-SEEN_MAX);
    localStorage.setItem(SEEN, JSON.stringify(next));
    setSeen(next);
  };
  return rows.map((row) => {
    const zone = zoneOfVisit(world, row);
    return (
      <section key={row.id} class="card withdrawn" data-id={row.id} aria-label={t("gone.title")}>
        <h2>
          <Icon name="warn" /> {t("gone.title")}
        </h2>
        <p>
          {t("gone.text", {
            type: typeOf(world, row.appointment_type_id)?.name ?? "",
            day: longDay(row.start, zone),
            time: clock(row.start, zone),
            name: row.dentist.name ?? "",
          })}{" "}
          {why(row)}
        </p>
        <div class="ways">
          <button type="button" class="primary" onClick={() => onFind(row)}>
            {t("gone.find")}
          </button>
          <button type="button" class="secondary" onClick={() => dismiss(row)}>
            {t("gone.dismiss")}
          </button>
        </div>
      </section>
    );
  });
}

/** The reason in words that help a patient. */
function why(row: Appointment): string {
  switch (row.cancel_reason) {
    case "dentist_in_hospital":
    case "dentist_personal":
    case "dentist_meeting":
      return t("gone.why.dentist");
    case "equipment":
      return t("gone.why.equipment");
    case "room":
      return t("gone.why.room");
    case "weather":
      return t("gone.why.weather");
    case "booking_error":
      return t("gone.why.booking_error");
    default:
      return "";
  }
}

/** Visits ahead that the practice cancelled, and that no later booking has replaced. */
function useWithdrawn(world: World): readonly Appointment[] {
  const rows = useValue(world.list.rows);
  const nowMs = useNow(30_000);
  const [byPractice, setByPractice] = useState<ReadonlySet<string>>(new Set());
  const candidates = rows.filter(
    (row) =>
      row.status === "cancelled" &&
      Date.parse(row.start) > nowMs &&
      !row.cancel_reason?.startsWith("patient") &&
      !rows.some((other) => isAhead(other, nowMs) && replaces(other, row)),
  );
  const ids = candidates.map(({ id }) => id).join(" ");
  useEffect(() => {
    let isCurrent = true;
    const look = async (): Promise<void> => {
      for (const id of ids.split(" ").filter(Boolean)) {
        const role = await canceller(world.hub, id);
        if (!isCurrent) return;
        if (role !== "patient") setByPractice((before) => new Set(before).add(id));
      }
    };
    let timer: ReturnType<typeof setTimeout> | undefined;
    const attempt = (): void =>
      void look().catch((error: unknown) => {
        if (isCurrent && codeOf(error) !== "NOT_FOUND") timer = setTimeout(attempt, AGAIN_MS);
      });
    attempt();
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [world.hub, ids]);
  return candidates.filter(({ id }) => byPractice.has(id));
}

const replaces = (other: Appointment, row: Appointment): boolean =>
  other.appointment_type_id === row.appointment_type_id && other.created_at > row.updated_at;

/** With whose rights a visit was cancelled. */
async function canceller(hub: Hub, id: string): Promise<string> {
  const { data } = await hub.rest.history(id);
  return data.findLast((entry) => entry.new_status === "cancelled")?.by.role ?? "patient";
}

function readSeen(): readonly string[] {
  try {
    const seen: unknown = JSON.parse(localStorage.getItem(SEEN) ?? "[]");
    return Array.isArray(seen) ? seen.filter((each) => typeof each === "string") : [];
  } catch {
    return [];
  }
}

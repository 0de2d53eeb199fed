/** Nothing is free: the ways on from there. */

import { useState } from "preact/hooks";
import type { Slot } from "../sdk/index";
import { useCommand } from "../shared/hooks";
import { t } from "../shared/i18n";
import { dateAt, later, now, plusDays, startOfDay, VIEWER_ZONE } from "../shared/zones";
import { type Search, TIMES } from "./route";
import type { Wish } from "./wish";
import type { World } from "./world";

/** One request looks at so many days, and so many of them reach over a year. */
const WINDOW_DAYS = 60;
const WINDOWS = 7;

interface Props {
  world: World;
  wish: Wish;
  /** A later day of this week that has a free time. */
  next: string | undefined;
  isWholeWeek: boolean;
  onChange: (part: Partial<Search>) => void;
}

export function Nothing({ world, wish, next, isWholeWeek, onChange }: Props) {
  const [isHopeless, setIsHopeless] = useState(false);
  const { busy, problem, run } = useCommand();
  const first = (): void =>
    void run(async () => {
      const day = next ?? (await firstFree(world, wish));
      if (day === null) setIsHopeless(true);
      else onChange(day === next ? { day } : { from: day, day });
    });
  return (
    <div class="empty" role="status">
      <p>{t(isHopeless ? "find.none.ahead" : isWholeWeek ? "find.none" : "find.day.full")}</p>
      <div class="ways">
        {!isHopeless && (
          <button type="button" class="primary" disabled={busy} onClick={first}>
            {t("find.first")}
          </button>
        )}
        {wish.time !== "any" && (
          <button type="button" class="secondary" onClick={() => onChange({ time: "any" })}>
            {t("find.otherTime")}
          </button>
        )}
        {wish.dentist !== "" && world.dentists.length > 1 && (
          <button type="button" class="secondary" onClick={() => onChange({ dentist: "" })}>
            {t("find.otherDentist")}
          </button>
        )}
      </div>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
    </div>
  );
}

/** The first day with a free time within a year, or `null`. */
async function firstFree(world: World, wish: Wish): Promise<string | null> {
  const times: { timeFrom?: string; timeTo?: string } = TIMES[wish.time];
  for (let number = 0; number < WINDOWS; number += 1) {
    const from = plusDays(wish.from, number * WINDOW_DAYS);
    const page = await world.hub.rest.firstSlots({
      appointment_type_id: wish.type.id,
      dentist_id: wish.dentist ? [wish.dentist] : world.dentists.map(({ id }) => id),
      from: later(startOfDay(from, VIEWER_ZONE), now()),
      to: startOfDay(plusDays(from, WINDOW_DAYS), VIEWER_ZONE),
      time_from: times.timeFrom,
      time_to: times.timeTo,
      limit: 1,
    });
    const found: Slot | undefined = page.data[0];
    if (found) return dateAt(found.start, VIEWER_ZONE);
  }
  return null;
}

/** Seven days with their free times, and the way to other weeks and months. */

import { useMemo } from "preact/hooks";
import type { PublicCard, Slot, SlotView } from "../sdk/index";
import { useValue } from "../shared/hooks";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import {
  clock,
  dateAt,
  dateWords,
  later,
  plusDays,
  plusMonths,
  today,
  VIEWER_ZONE,
  zoneName,
  zoneOf,
} from "../shared/zones";
import { Nothing } from "./nothing";
import type { Search } from "./route";
import { DAYS, type Wish } from "./wish";
import type { World } from "./world";

const MONTHS = 13;
const CHECK_UP_MONTHS = 6;

interface Props {
  view: SlotView;
  wish: Wish;
  world: World;
  zone: string | null;
  onChange: (part: Partial<Search>) => void;
  onPick: (slot: Slot) => void;
}

export function Week({ view, wish, world, zone, onChange, onPick }: Props) {
  const slots = useValue(view.slots);
  const loaded = useValue(view.loaded);
  const dentists = useMemo(() => new Map(world.dentists.map((each) => [each.id, each])), [world]);
  const byDay = useMemo(
    () =>
      grouped(slots, (slot) => dateAt(slot.start, zone ?? zoneOf(dentists.get(slot.dentist_id)))),
    [slots, zone, dentists],
  );
  const days = Array.from({ length: DAYS }, (_, number) => plusDays(wish.from, number));
  const chosen = wish.day !== null && days.includes(wish.day) ? wish.day : null;
  const shown = chosen ?? days.find((date) => byDay.has(date)) ?? (days[0] as string);
  return (
    <section class="week" aria-label={t("find.slots")}>
      <Months from={wish.from} onFrom={(from) => onChange({ from, day: "" })} />
      <Days
        days={days}
        shown={shown}
        free={(date) => byDay.get(date)?.length ?? 0}
        loaded={loaded}
        onDay={(day) => onChange({ day })}
        onFrom={(from) => onChange({ from, day: "" })}
      />
      <h2 class="day-title">
        {dateWords(shown, { weekday: "long", day: "numeric", month: "long" })}
      </h2>
      {!loaded && (
        <p class="muted" aria-busy="true">
          {t("loading")}
        </p>
      )}
      <DaySlots slots={byDay.get(shown) ?? []} dentists={dentists} zone={zone} onPick={onPick} />
      {loaded && !byDay.has(shown) && (
        <Nothing
          key={`${wish.from} ${shown}`}
          world={world}
          wish={wish}
          next={days.find((date) => date > shown && byDay.has(date))}
          isWholeWeek={slots.length === 0}
          onChange={onChange}
        />
      )}
    </section>
  );
}

/** Far ahead in one step: a month, or the time of the next check-up. */
function Months({ from, onFrom }: { from: string; onFrom: (date: string) => void }) {
  const here = today(VIEWER_ZONE);
  const first = `${here.slice(0, 7)}-01`;
  const months = Array.from({ length: MONTHS }, (_, number) => plusMonths(first, number));
  const shown = `${from.slice(0, 7)}-01`;
  if (!months.includes(shown)) months.push(shown);
  return (
    <div class="months">
      <label class="visually-hidden" for="month">
        {t("find.month")}
      </label>
      <select
        id="month"
        value={shown}
        onChange={(event) => onFrom(later(event.currentTarget.value, here))}
      >
        {months.map((month) => (
          <option key={month} value={month}>
            {dateWords(month, { month: "long", year: "numeric" })}
          </option>
        ))}
      </select>
      {from > here && (
        <button type="button" class="quiet" onClick={() => onFrom(here)}>
          {t("today")}
        </button>
      )}
      <button type="button" class="quiet" onClick={() => onFrom(plusMonths(here, CHECK_UP_MONTHS))}>
        {t("find.halfYear")}
      </button>
    </div>
  );
}

interface DaysProps {
  days: readonly string[];
  shown: string;
  free: (date: string) => number;
  loaded: boolean;
  onDay: (date: string) => void;
  onFrom: (date: string) => void;
}

function Days({ days, shown, free, loaded, onDay, onFrom }: DaysProps) {
  const [from, here] = [days[0] as string, today(VIEWER_ZONE)];
  return (
    <div class="days">
      <button
        type="button"
        class="icon"
        aria-label={t("week.earlier")}
        disabled={from <= here}
        onClick={() => onFrom(later(plusDays(from, -DAYS), here))}
      >
        <Icon name="left" />
      </button>
      <ul>
        {days.map((date) => (
          <li key={date}>
            <button
              type="button"
              class="day"
              aria-pressed={date === shown}
              data-free={free(date)}
              data-date={date}
              onClick={() => onDay(date)}
            >
              <span class="weekday">{dateWords(date, { weekday: "short" })}</span>
              <span class="number">{dateWords(date, { day: "numeric" })}</span>
              <span class={free(date) > 0 ? "free" : "free none"}>
                {loaded || free(date) > 0 ? t("find.free", { n: free(date) }) : "…"}
              </span>
            </button>
          </li>
        ))}
      </ul>
      <button
        type="button"
        class="icon"
        aria-label={t("week.later")}
        onClick={() => onFrom(plusDays(from, DAYS))}
      >
        <Icon name="right" />
      </button>
    </div>
  );
}

function DaySlots({
  slots,
  dentists,
  zone,
  onPick,
}: {
  slots: readonly Slot[];
  dentists: ReadonlyMap<string, PublicCard>;
  zone: string | null;
  onPick: (slot: Slot) => void;
}) {
  return (
    <div class="day-slots">
      {[...grouped(slots, (slot) => slot.dentist_id)].map(([id, theirs]) => {
        const dentist = dentists.get(id);
        const shown = zone ?? zoneOf(dentist);
        return (
          <section key={id} class="card" aria-label={dentist?.name}>
            <h3>
              {dentist?.name}{" "}
              <small class="muted">{t("zone.times", { zone: zoneName(shown) })}</small>
            </h3>
            <ul class="slots">
              {theirs.map((slot) => (
                <li key={slot.start}>
                  <button
                    type="button"
                    class="slot"
                    data-start={slot.start}
                    onClick={() => onPick(slot)}
                  >
                    {clock(slot.start, shown)}
                  </button>
                </li>
              ))}
            </ul>
          </section>
        );
      })}
    </div>
  );
}

function grouped<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}

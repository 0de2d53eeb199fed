import { useEffect, useMemo, useState } from "preact/hooks";
import {
  type Appointment,
  type AppointmentType,
  codeOf,
  HubError,
  type Interval,
  type PublicCard,
  type Slot,
  type SlotView,
} from "../sdk/index";
import { useNow, useResource, useValue } from "../shared/hooks";
import { t, tCode } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { notify } from "../shared/toasts";
import {
  clock,
  dateAt,
  dateWords,
  longDay,
  now,
  plusDays,
  startOfDay,
  today,
  VIEWER_ZONE,
  zoneName,
  zoneOf,
} from "../shared/zones";
import { Booking, type Stage } from "./booking";
import type { World } from "./world";

const DAYS = 7;
const TIMES = {
  any: {},
  morning: { timeTo: "12:00" },
  afternoon: { timeFrom: "12:00", timeTo: "17:00" },
  evening: { timeFrom: "17:00" },
} as const;
type TimeOfDay = keyof typeof TIMES;

interface Wish {
  type: AppointmentType;
  dentist: string;
  time: TimeOfDay;
  /** The first of the days shown. */
  from: string;
}

export function Finder({
  world,
  moving,
  onDone,
}: {
  world: World;
  moving: Appointment | null;
  onDone: () => void;
}) {
  const { types, dentists } = world;
  const first = types.find((each) => each.id === moving?.appointment_type_id) ?? types[0];
  const [wish, setWish] = useState<Wish | null>(
    first
      ? { type: first, dentist: moving?.dentist_id ?? "", time: "any", from: today(VIEWER_ZONE) }
      : null,
  );
  const [own, setOwn] = useState(false);
  const chosen = dentists.filter((each) => !wish?.dentist || each.id === wish.dentist);
  const zones = [...new Set(chosen.map(zoneOf))];
  const view = useResource(
    () =>
      wish
        ? world.hub.freeSlots(
            {
              type: wish.type,
              dentistIds: chosen.map(({ id }) => id),
              range: rangeOf(wish, zones),
              ...TIMES[wish.time],
            },
            types,
          )
        : null,
    [wish],
  );
  if (!wish || dentists.length === 0) return <p class="empty">{t("find.nobody")}</p>;
  const change = (part: Partial<Wish>): void => setWish({ ...wish, ...part });
  return (
    <>
      <h1>{moving ? t("find.move") : t("find.title")}</h1>
      {moving && (
        <p class="muted">
          {t("find.moving", {
            type: wish.type.name,
            day: longDay(moving.start, zones[0] ?? "UTC"),
            time: clock(moving.start, zones[0] ?? "UTC"),
          })}
        </p>
      )}
      <Wishes wish={wish} world={world} moving={moving !== null} onChange={change} />
      <Zones zones={zones} own={own} onChange={setOwn} />
      {view && (
        <Week
          key={wish.from}
          view={view}
          wish={wish}
          world={world}
          zone={own ? VIEWER_ZONE : null}
          moving={moving}
          onDone={onDone}
          onWeek={(days) => change({ from: plusDays(wish.from, days) })}
          onFrom={(from) => change({ from })}
        />
      )}
    </>
  );
}

function Wishes({
  wish,
  world,
  moving,
  onChange,
}: {
  wish: Wish;
  world: World;
  moving: boolean;
  onChange: (part: Partial<Wish>) => void;
}) {
  return (
    <div class="wishes card">
      {!moving && (
        <fieldset class="chips">
          <legend>{t("find.type")}</legend>
          {world.types.map((type) => (
            <label key={type.id} class="chip">
              <input
                type="radio"
                name="type"
                checked={wish.type.id === type.id}
                onChange={() => onChange({ type })}
              />
              <span>
                {type.name} <small>{t("minutes", { n: type.duration_minutes })}</small>
              </span>
            </label>
          ))}
        </fieldset>
      )}
      <div class="pair">
        {!moving && (
          <div>
            <label for="dentist">{t("find.dentist")}</label>
            <select
              id="dentist"
              value={wish.dentist}
              onChange={(event) => onChange({ dentist: event.currentTarget.value })}
            >
              <option value="">{t("find.anybody")}</option>
              {world.dentists.map((each) => (
                <option key={each.id} value={each.id}>
                  {each.name}
                </option>
              ))}
            </select>
          </div>
        )}
        <fieldset class="segments">
          <legend>{t("find.time")}</legend>
          {(Object.keys(TIMES) as TimeOfDay[]).map((time) => (
            <label key={time} class="segment">
              <input
                type="radio"
                name="time"
                checked={wish.time === time}
                onChange={() => onChange({ time })}
              />
              <span>{t(`time.${time}`)}</span>
            </label>
          ))}
        </fieldset>
      </div>
    </div>
  );
}

/** The time zone to show times in; offered only where it makes a difference. */
function Zones({
  zones,
  own,
  onChange,
}: {
  zones: readonly string[];
  own: boolean;
  onChange: (own: boolean) => void;
}) {
  if (zones.every((zone) => zone === VIEWER_ZONE))
    return <p class="zone">{t("zone.all", { zone: zoneName(VIEWER_ZONE) })}</p>;
  return (
    <p class="zone">
      {own
        ? t("zone.mine", { zone: zoneName(VIEWER_ZONE) })
        : t("zone.clinic", { zone: zones.map(zoneName).join(", ") })}{" "}
      <button type="button" class="link" onClick={() => onChange(!own)}>
        {own ? t("zone.show.clinic") : t("zone.show.mine", { zone: zoneName(VIEWER_ZONE) })}
      </button>
    </p>
  );
}

interface WeekProps {
  view: SlotView;
  wish: Wish;
  world: World;
  zone: string | null;
  moving: Appointment | null;
  onDone: () => void;
  onWeek: (days: number) => void;
  onFrom: (date: string) => void;
}

function Week(props: WeekProps) {
  const { view, wish, world, zone, moving } = props;
  const slots = useMySlots(world, view, moving);
  const loaded = useValue(view.loaded);
  const dentists = useMemo(() => new Map(world.dentists.map((each) => [each.id, each])), [world]);
  const byDay = useMemo(
    () =>
      grouped(slots, (slot) => dateAt(slot.start, zone ?? zoneOf(dentists.get(slot.dentist_id)))),
    [slots, zone, dentists],
  );
  const days = Array.from({ length: DAYS }, (_, number) => plusDays(wish.from, number));
  const [picked, setPicked] = useState<string | null>(null);
  const [stage, setStage] = useState<Stage | null>(null);
  const shown = picked ?? days.find((date) => byDay.has(date)) ?? (days[0] as string);
  const pick = usePick(world, view, moving, setStage);
  const held = useHeld(world);
  return (
    <section class="week" aria-label={t("find.slots")}>
      {held && !stage && (
        <Held
          row={held}
          world={world}
          onResume={() => setStage({ is: "held", slot: held, hold: held })}
        />
      )}
      <div class="days">
        <button
          type="button"
          class="icon"
          aria-label={t("week.earlier")}
          disabled={wish.from <= today(VIEWER_ZONE)}
          onClick={() => props.onWeek(-DAYS)}
        >
          <Icon name="left" />
        </button>
        <ul>
          {days.map((date) => (
            <li key={date}>
              <Day
                date={date}
                free={byDay.get(date)?.length ?? 0}
                current={date === shown}
                loaded={loaded}
                onPick={() => setPicked(date)}
              />
            </li>
          ))}
        </ul>
        <button
          type="button"
          class="icon"
          aria-label={t("week.later")}
          onClick={() => props.onWeek(DAYS)}
        >
          <Icon name="right" />
        </button>
      </div>
      <h2 class="day-title">
        {dateWords(shown, { weekday: "long", day: "numeric", month: "long" })}
      </h2>
      {!loaded && (
        <p class="muted" aria-busy="true">
          {t("loading")}
        </p>
      )}
      <DaySlots
        slots={byDay.get(shown) ?? []}
        dentists={dentists}
        zone={zone}
        onPick={(slot) => void pick(slot)}
      />
      {loaded && slots.length === 0 && <Nothing world={world} wish={wish} onFrom={props.onFrom} />}
      {loaded && slots.length > 0 && !byDay.has(shown) && <p class="empty">{t("find.day.full")}</p>}
      {stage && (
        <Booking
          stage={stage}
          setStage={setStage}
          view={view}
          world={world}
          zone={zone}
          moving={moving}
          pick={pick}
          onDone={props.onDone}
        />
      )}
    </section>
  );
}

function Day({
  date,
  free,
  current,
  loaded,
  onPick,
}: {
  date: string;
  free: number;
  current: boolean;
  loaded: boolean;
  onPick: () => void;
}) {
  return (
    <button type="button" class="day" aria-pressed={current} data-free={free} onClick={onPick}>
      <span class="weekday">{dateWords(date, { weekday: "short" })}</span>
      <span class="number">{dateWords(date, { day: "numeric" })}</span>
      <span class={free > 0 ? "free" : "free none"}>
        {loaded || free > 0 ? t("find.free", { n: free }) : "…"}
      </span>
    </button>
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

function Nothing({
  world,
  wish,
  onFrom,
}: {
  world: World;
  wish: Wish;
  onFrom: (date: string) => void;
}) {
  const look = async (): Promise<void> => {
    const from = startOfDay(wish.from, VIEWER_ZONE);
    const to = startOfDay(plusDays(wish.from, 60), VIEWER_ZONE);
    const times: { timeFrom?: string; timeTo?: string } = TIMES[wish.time];
    const page = await world.hub.rest.request<{ data: Slot[] }>("GET", "/api/slots", {
      query: {
        appointment_type_id: wish.type.id,
        dentist_id: wish.dentist || null,
        from,
        to,
        time_from: times.timeFrom,
        time_to: times.timeTo,
        limit: 1,
      },
    });
    const found = page.data[0];
    if (found) onFrom(dateAt(found.start, VIEWER_ZONE));
    else notify(t("find.none.ahead"));
  };
  return (
    <div class="empty">
      <p>{t("find.none")}</p>
      <button
        type="button"
        class="secondary"
        onClick={() =>
          void look().catch((error: unknown) => notify(tCode(codeOf(error)), "problem"))
        }
      >
        {t("find.first")}
      </button>
    </div>
  );
}

function Held({ row, world, onResume }: { row: Appointment; world: World; onResume: () => void }) {
  const zone = zoneOf(world.dentists.find((each) => each.id === row.dentist_id));
  return (
    <p class="held-note">
      <Icon name="clock" />{" "}
      {t("hold.waiting", { day: longDay(row.start, zone), time: clock(row.start, zone) })}{" "}
      <button type="button" class="link" onClick={onResume}>
        {t("hold.resume")}
      </button>
    </p>
  );
}

/** The view's slots, which know of one's own holds and appointments. */
function useMySlots(world: World, view: SlotView, moving: Appointment | null): readonly Slot[] {
  const rows = useValue(world.list.rows);
  useEffect(() => {
    const live = rows.filter((row) => row.id !== moving?.id);
    const holds = live.filter((row) => row.status === "held");
    view.mine(
      holds,
      live.filter((row) => ["confirmed", "arrived", "checked_in"].includes(row.status)),
    );
  }, [rows, view, moving]);
  return useValue(view.slots);
}

/** A hold from before, e.g. the page was loaded again meanwhile. */
function useHeld(world: World): Appointment | null {
  const rows = useValue(world.list.rows);
  useNow(1_000);
  const time = world.hub.rest.now();
  return (
    rows.find((row) => row.status === "held" && Date.parse(row.expires_at ?? "") > time) ?? null
  );
}

/** What a click on a free slot does. */
function usePick(
  world: World,
  view: SlotView,
  moving: Appointment | null,
  setStage: (stage: Stage | null) => void,
) {
  return async (slot: Slot): Promise<void> => {
    if (moving) return setStage({ is: "moving", slot });
    setStage({ is: "asking", slot });
    try {
      setStage({ is: "held", slot, hold: await world.hub.rest.hold(slot) });
    } catch (error) {
      const code = codeOf(error);
      if (code === "SLOT_TAKEN") {
        view.lost(slot);
        return setStage({ is: "faster", slot });
      }
      setStage(null);
      notify(tCode(code), "problem");
      if (error instanceof HubError) view.lost(slot);
    }
  };
}

/** From now, or the first midnight of any of the zones, to the last of them. */
function rangeOf(wish: Wish, zones: readonly string[]): Interval {
  const every = [...zones, VIEWER_ZONE];
  const start = every.map((zone) => startOfDay(wish.from, zone)).sort()[0] as string;
  const end = every
    .map((zone) => startOfDay(plusDays(wish.from, DAYS), zone))
    .sort()
    .at(-1) as string;
  return { start: [start, now()].sort().at(-1) as string, end };
}

function grouped<T>(items: readonly T[], key: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(key(item), [...(groups.get(key(item)) ?? []), item]);
  return groups;
}

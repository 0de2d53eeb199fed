/** Booking beside the calendar: type, the next free time over all dentists, or a clicked one. */

import { useEffect, useRef, useState } from "preact/hooks";
import { doubts, openOn, spread } from "../dentist/open";
import { type Appointment, codeOf, HubError, type Profile, type Slot } from "../sdk/index";
import { useCommand } from "../shared/hooks";
import { t } from "../shared/i18n";
import { offerUndo } from "../shared/undo";
import { clock, dateAt, day, plusDays, plusMinutes, startOfDay } from "../shared/zones";
import { nameOf, type Place, type World } from "./world";

/** The id of the form: Enter in a field outside of it books, too. */
export const BOOKING = "booking";
const SHOWN = 6;
const READ = 200;
const AHEAD_DAYS = 62;
const REMEMBERED = "chairside-desk-type";

interface Props {
  world: World;
  /** Who comes: someone known, or whoever this makes known, once. */
  who: () => Promise<Profile>;
  name: string;
  /** The place that was clicked. */
  place: Place | null;
  /** The first field gets the focus. */
  autoFocus?: boolean;
  disabled?: boolean;
  onBooked: (row: Appointment) => void;
}

export function Booking({ world, who, name, place, autoFocus, disabled, onBooked }: Props) {
  const types = world.types.filter((each) => each.active && each.bookable_by.includes("staff"));
  const [typeId, setTypeId] = useState(() => firstType(types.map((each) => each.id)));
  const type = types.find((each) => each.id === typeId);
  const [dentist, setDentist] = useState("");
  const [from, setFrom] = useState("");
  const { slots, again } = useNextFree(world, typeId, dentist, from);
  const [chosen, setChosen] = useState<Place | null>(place);
  const select = useRef<HTMLSelectElement>(null);
  useEffect(() => setChosen(place), [place]);
  useEffect(() => void (autoFocus && select.current?.focus()), []);
  const { busy, problem, run } = useCommand();
  const times: Place[] = [
    ...(place ? [place] : []),
    ...(slots ?? []).map((each) => ({ dentistId: each.dentist_id, start: each.start })),
  ].filter((each, number, all) => all.findIndex((other) => same(other, each)) === number);
  const at = times.find((each) => same(each, chosen)) ?? times[0] ?? null;
  const against = at && type ? doubtsOf(world, at, type.duration_minutes) : [];
  const overbook = against.includes("taken");
  const book = async (): Promise<void> => {
    if (at === null) return;
    const patient = await who();
    const row = await world.hub.rest
      .book({
        dentist_id: at.dentistId,
        appointment_type_id: typeId,
        start: at.start,
        patient_id: patient.id,
        ...(overbook && { overbook }),
      })
      .catch((error: unknown) => {
        if (codeOf(error) === "SLOT_TAKEN") again();
        throw error;
      });
    localStorage.setItem(REMEMBERED, typeId);
    world.list.take(row);
    const what = { name, day: day(row.start, world.zone), time: clock(row.start, world.zone) };
    offerUndo(t("undo.booked", what), () => world.list.cancel(row.id, "booking_error"));
    onBooked(row);
  };
  return (
    <form
      id={BOOKING}
      class="stack booking"
      aria-label={t("book.title")}
      onSubmit={(event) => {
        event.preventDefault();
        if (!busy && at !== null && !disabled) void run(book);
      }}
    >
      <div>
        <label for="book-type">{t("book.type")}</label>
        <select
          ref={select}
          id="book-type"
          value={typeId}
          onChange={(event) => setTypeId(event.currentTarget.value)}
          onKeyDown={(event) => {
            if (event.key !== "Enter") return;
            event.preventDefault(); // a select opens its list with the space bar
            event.currentTarget.form?.requestSubmit();
          }}
        >
          {types.map((each) => (
            <option key={each.id} value={each.id}>
              {each.name} ({t("minutes", { n: each.duration_minutes })})
            </option>
          ))}
        </select>
      </div>
      <div class="pair book-where">
        {world.dentists.length > 1 && (
          <div>
            <label for="book-dentist">{t("find.dentist")}</label>
            <select
              id="book-dentist"
              value={dentist}
              onChange={(event) => setDentist(event.currentTarget.value)}
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
        <div>
          <label for="book-from">{t("book.from")}</label>
          <input
            id="book-from"
            type="date"
            value={from}
            onChange={(event) => setFrom(event.currentTarget.value)}
          />
        </div>
      </div>
      <fieldset class="times" aria-busy={slots === null}>
        <legend>{t(place ? "book.times.place" : "book.times")}</legend>
        {times.map((each) => (
          <label key={`${each.dentistId} ${each.start}`} class="chip">
            <input
              type="radio"
              name="book-time"
              checked={same(each, at)}
              onChange={() => setChosen(each)}
            />
            <span>
              {day(each.start, world.zone)}, {clock(each.start, world.zone)}{" "}
              <small>{nameOf(world, each.dentistId)}</small>
            </span>
          </label>
        ))}
        {slots?.length === 0 && <p class="muted">{t("find.none.ahead")}</p>}
      </fieldset>
      {against.map((each) => (
        <p key={each} class="warn">
          {t(`doubt.${each}`)}
        </p>
      ))}
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <button type="submit" class="primary" disabled={busy || at === null || disabled}>
        {t(overbook ? "overbook.yes" : "new.book")}
      </button>
    </form>
  );
}

/** The type that this desk booked last, or the first in the practice's order. */
function firstType(ids: readonly string[]): string {
  const last = localStorage.getItem(REMEMBERED);
  return ids.find((each) => each === last) ?? ids[0] ?? "";
}

const same = (one: Place, other: Place | null): boolean =>
  other !== null && one.dentistId === other.dentistId && one.start === other.start;

function doubtsOf(world: World, at: Place, minutes: number) {
  const schedule = world.schedules.get(at.dentistId);
  const date = dateAt(at.start, world.zone);
  const open = schedule ? openOn(schedule, world.practice.closures, date, world.zone) : [];
  const now = new Date(world.hub.rest.now()).toISOString();
  const end = plusMinutes(at.start, minutes);
  return doubts({ ...at, end, id: null }, open, world.list.rows.value, now);
}

/** The first free times, read again when `again` is called. */
function useNextFree(world: World, typeId: string, dentist: string, from: string) {
  const [slots, setSlots] = useState<readonly Slot[] | null>(null);
  const [reads, setReads] = useState(0);
  const { rest } = world.hub;
  useEffect(() => {
    if (typeId === "") return undefined;
    const aborted = new AbortController();
    const today = dateAt(new Date(rest.now()).toISOString(), world.zone);
    const first = from > today ? from : today;
    rest
      .firstSlots(
        {
          appointment_type_id: typeId,
          dentist_id: dentist ? [dentist] : world.dentists.map((each) => each.id),
          from: startOfDay(first, world.zone),
          to: startOfDay(plusDays(first, AHEAD_DAYS), world.zone),
          as: "staff",
          limit: READ,
        },
        aborted.signal,
      )
      .then(
        (page) => setSlots(spread(page.data, SHOWN, world.zone)),
        (error: unknown) => error instanceof HubError && setSlots([]),
      );
    return () => aborted.abort();
  }, [rest, typeId, dentist, from, reads, world.dentists, world.zone]);
  return { slots, again: () => setReads((before) => before + 1) };
}

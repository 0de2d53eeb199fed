import { useEffect, useRef, useState } from "preact/hooks";
import type {
  Appointment,
  AppointmentNews,
  Availability,
  Closure,
  Hub,
  Practice,
  Profile,
} from "../sdk/index";
import { useResource, useValue } from "../shared/hooks";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { useLoaded } from "../shared/loaded";
import { Head, type Signed } from "../shared/shell";
import { notify } from "../shared/toasts";
import { clock, dateAt, day, mondayOf, plusDays, startOfDay, today } from "../shared/zones";
import { CalendarTab } from "./calendar-tab";
import type { Clinic } from "./clinic";
import { DayList } from "./day-list";
import { Hours } from "./hours";
import { Patients } from "./patients";
import { People } from "./people";

const TABS = ["calendar", "list", "hours", "patients"] as const;
type Tab = (typeof TABS)[number];
const ICONS = { calendar: "calendar", list: "print", hours: "clock", patients: "user" } as const;
const FLASH_MS = 6_000;
const NONE: readonly Closure[] = [];

/** What is loaded around a date: the weeks before and after, for quick turning of pages. */
export const around = (date: string, zone: string): { start: string; end: string } => ({
  start: startOfDay(plusDays(mondayOf(date), -7), zone),
  end: startOfDay(plusDays(mondayOf(date), 14), zone),
});

export function Dentist({ hub, session }: Signed) {
  const me = useLoaded(() => hub.rest.me(), [hub]);
  const types = useLoaded(() => hub.rest.appointmentTypes(), [hub]);
  const schedule = useSchedule(hub, me);
  const [flashing, setFlashing] = useState<ReadonlySet<string>>(new Set());
  const zone = schedule?.time_zone ?? null;
  const zoneRef = useRef("UTC");
  zoneRef.current = zone ?? "UTC";
  const flash = (id: string): void => {
    setFlashing((before) => new Set(before).add(id));
    setTimeout(
      () => setFlashing((before) => new Set([...before].filter((each) => each !== id))),
      FLASH_MS,
    );
  };
  const list = useResource(
    () =>
      me && zone
        ? hub.dentistAppointments(me.id, around(today(zone), zone), (news) =>
            notifyOf(news, zoneRef.current, flash),
          )
        : null,
    [me?.id, zone],
  );
  const people = useResource(
    () =>
      me
        ? new People(hub, `profiles:dentist:${me.id}`, (who) =>
            notify(t("news.contact", { name: who.name })),
          )
        : null,
    [me?.id],
  );
  const practice = useLoaded(
    async () => (me?.practice_id ? hub.rest.practice(me.practice_id) : null),
    [hub, me?.practice_id],
  );
  if (!me || !types || !schedule || !list || !people) {
    return (
      <>
        <Head session={session} />
        <main class="wide-column" aria-busy="true">
          <p class="muted">{t("loading")}</p>
        </main>
      </>
    );
  }
  const closures = practice?.closures ?? NONE;
  const clinic: Clinic = {
    hub,
    me,
    zone: schedule.time_zone,
    types,
    list,
    people,
    schedule,
    closures,
  };
  return <Screens clinic={clinic} practice={practice} session={session} flashing={flashing} />;
}

function Screens({
  clinic,
  practice,
  session,
  flashing,
}: {
  clinic: Clinic;
  practice: Practice | null;
  session: Signed["session"];
  flashing: ReadonlySet<string>;
}) {
  const [tab, setTab] = useState<Tab>("calendar");
  const [date, setDate] = useState(today(clinic.zone));
  const [opened, setOpened] = useState<string | null>(null);
  const open = (row: Appointment): void => {
    setDate(dateAt(row.start, clinic.zone));
    setOpened(row.id);
    setTab("calendar");
  };
  useValue(clinic.people.known);
  useEffect(() => clinic.list.look(around(date, clinic.zone)), [date, clinic.zone, clinic.list]);
  return (
    <>
      <Head session={session} name={clinic.me.name}>
        <nav class="tabs" aria-label={t("pages")}>
          {TABS.map((each) => (
            <button
              key={each}
              type="button"
              class="tab"
              aria-current={tab === each ? "page" : undefined}
              onClick={() => {
                setOpened(null);
                setTab(each);
              }}
            >
              <Icon name={ICONS[each]} />
              <span>{t(`tab.${each}`)}</span>
            </button>
          ))}
        </nav>
      </Head>
      <main class="wide-column">
        {tab === "calendar" && (
          <CalendarTab {...{ clinic, date, flashing, opened }} onDate={setDate} />
        )}
        {tab === "list" && <DayList clinic={clinic} date={date} onDate={setDate} />}
        {tab === "hours" && <Hours clinic={clinic} />}
        {tab === "patients" && <Patients clinic={clinic} practice={practice} onVisit={open} />}
      </main>
    </>
  );
}

/** The schedule, also when it is changed on another screen. */
function useSchedule(hub: Hub, me: Profile | null): Availability | null {
  const first = useLoaded(async () => (me ? hub.rest.availability(me.id) : null), [hub, me?.id]);
  const [newer, setNewer] = useState<Availability | null>(null);
  useEffect(() => {
    if (!me) return undefined;
    const refetch = (): void => void hub.rest.availability(me.id).then(setNewer, () => {});
    return hub.live.follow(`availability:dentist:${me.id}`, {
      onEvent: (event) =>
        event.type === "availability.updated" && setNewer(event.data as Availability),
      onRefetch: refetch,
    });
  }, [hub, me?.id]);
  return newer !== null && newer.version >= (first?.version ?? 0) ? newer : first;
}

function notifyOf({ row, type }: AppointmentNews, zone: string, flash: (id: string) => void): void {
  const what = {
    name: row.patient.name ?? "",
    day: day(row.start, zone),
    time: clock(row.start, zone),
  };
  if (type === "appointment.created") notify(t("desk.booked", what));
  else if (type === "appointment.cancelled") notify(t("desk.cancelled", what));
  else if (type === "appointment.moved_away") notify(t("desk.movedAway", what));
  else if (type !== "appointment.updated") return;
  flash(row.id);
}

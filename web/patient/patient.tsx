import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import type { Appointment, AppointmentNews, Profile, PublicCard } from "../sdk/index";
import { useNow, useResource, useValue } from "../shared/hooks";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { useLoaded } from "../shared/loaded";
import { back, follow, go, place } from "../shared/place";
import { Head, type Signed } from "../shared/shell";
import { notify } from "../shared/toasts";
import { clock, longDay, now, plusMinutes } from "../shared/zones";
import { Consents } from "./consents";
import { knownName } from "./details";
import { Finder } from "./finder";
import { Mine } from "./mine";
import { ProfileForm } from "./profile";
import { addressOf, type Route, routeOf } from "./route";
import { Withdrawn } from "./withdrawn";
import { isAhead, type World } from "./world";

const DAY_MINUTES = 1_440;
const ICONS = { find: "calendar", mine: "check", profile: "user" } as const;
type Tab = keyof typeof ICONS;

export function Patient({ hub, session }: Signed) {
  const me = useLoaded(() => hub.rest.me(), [hub]);
  const people = useLoaded(
    () => Promise.all([hub.rest.appointmentTypes(), hub.rest.dentists()]),
    [hub],
  );
  const list = useResource(
    () =>
      me
        ? hub.patientAppointments(me.id, around(), (news) => notifyOf(news, people?.[1] ?? []))
        : null,
    [me?.id, people],
  );
  if (!me || !people || !list) {
    return (
      <>
        <Head session={session} />
        <main class="column" aria-busy="true">
          <p class="muted">{t("loading")}</p>
        </main>
      </>
    );
  }
  return (
    <Screens world={{ hub, me, types: people[0], dentists: people[1], list }} session={session} />
  );
}

function Screens({ world: base, session }: { world: World; session: Signed["session"] }) {
  const { path, query } = useValue(place);
  const route = routeOf(path, query);
  const me = useMe(base);
  const world = useMemo(() => ({ ...base, me }), [base, me]);
  useEffect(() => scrollTo(0, 0), [path]);
  return (
    <>
      <Head session={session} name={knownName(me)}>
        <Tabs world={world} route={route} />
      </Head>
      <main class="column">
        {(route.is === "find" || route.is === "mine") && (
          <Withdrawn world={world} onFind={(row) => go(addressOf(insteadOf(row)))} />
        )}
        {route.is === "find" && (
          <Finder world={world} search={route.search} moving={null} onDone={toMine} />
        )}
        {route.is === "move" && <Move key={route.id} world={world} route={route} />}
        {route.is === "mine" && <Mine world={world} onFind={() => go(addressOf(FIND))} />}
        {route.is === "profile" && (
          <>
            <ProfileForm world={world} me={me} />
            <Consents world={world} />
          </>
        )}
      </main>
    </>
  );
}

const FIND: Route = { is: "find", search: {} };
const toMine = (): void => go(addressOf({ is: "mine" }));

/** To a new time for a visit that the practice cancelled: the same kind, from its week on. */
const insteadOf = (row: Appointment): Route => ({
  is: "find",
  search: { type: row.appointment_type_id, dentist: row.dentist_id, instead: row.id },
});

function Tabs({ world, route }: { world: World; route: Route }) {
  const rows = useValue(world.list.rows);
  const time = useNow(30_000);
  const ahead = rows.filter((row) => isAhead(row, time)).length;
  const tabs: [Tab, Route][] = [
    ["find", FIND],
    ["mine", { is: "mine" }],
    ["profile", { is: "profile" }],
  ];
  const current = route.is === "move" ? "mine" : route.is;
  return (
    <nav class="tabs" aria-label={t("pages")}>
      {tabs.map(([name, to]) => (
        <a
          key={name}
          class="tab"
          href={addressOf(to)}
          aria-current={current === name ? "page" : undefined}
          onClick={(event) => follow(event, addressOf(to))}
        >
          <Icon name={ICONS[name]} />
          <span>{t(`tab.${name}`)}</span>
          {name === "mine" && ahead > 0 && <span class="count">{ahead}</span>}
        </a>
      ))}
    </nav>
  );
}

/** A new time for a visit; without the visit, the list of them. */
function Move({ world, route }: { world: World; route: Extract<Route, { is: "move" }> }) {
  const rows = useValue(world.list.rows);
  const loaded = useValue(world.list.loaded);
  const found = rows.find((row) => row.id === route.id);
  // as it was at first: while a move is sent, the list shows the new time
  const moving = useRef<Appointment | null>(null);
  if (found?.status === "confirmed") moving.current ??= found;
  const row = found?.status === "confirmed" ? moving.current : null;
  useEffect(() => {
    if (loaded && row === null) go(addressOf({ is: "mine" }), "replace");
  }, [loaded, row]);
  if (row === null) return <p class="muted">{t("loading")}</p>;
  return (
    <Finder
      world={world}
      search={route.search}
      moving={row}
      onDone={() => back(addressOf({ is: "mine" }))}
    />
  );
}

/** One's own profile, also when it is changed elsewhere. */
function useMe({ hub, me }: World): Profile {
  const [shown, setShown] = useState(me);
  useEffect(() => {
    const refetch = (): void => void hub.rest.me().then(setShown, () => {});
    return hub.live.follow(`profiles:user:${me.id}`, {
      onEvent: (event) => setShown(event.data as Profile),
      onRefetch: refetch,
    });
  }, [hub, me.id]);
  return shown;
}

/** A year back, and as far ahead as hubs let patients book. */
const around = (): { start: string; end: string } => ({
  start: plusMinutes(now(), -365 * DAY_MINUTES),
  end: plusMinutes(now(), 3 * 365 * DAY_MINUTES),
});

function notifyOf({ row, type }: AppointmentNews, dentists: readonly PublicCard[]): void {
  const zone = dentists.find((each) => each.id === row.dentist_id)?.time_zone ?? "UTC";
  const when = {
    day: longDay(row.start, zone),
    time: clock(row.start, zone),
    name: row.dentist.name ?? "",
  };
  if (type === "appointment.cancelled") notify(t("news.cancelled", when));
  else if (type === "appointment.created") notify(t("news.booked", when));
  else if (type === "appointment.updated" && row.status === "confirmed")
    notify(t("news.changed", when));
}

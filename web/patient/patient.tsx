import { useEffect, useMemo, useState } from "preact/hooks";
import type { Appointment, AppointmentNews, Profile, PublicCard } from "../sdk/index";
import { useNow, useResource, useValue } from "../shared/hooks";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { useLoaded } from "../shared/loaded";
import { Head, type Signed } from "../shared/shell";
import { notify } from "../shared/toasts";
import { clock, longDay, now, plusMinutes } from "../shared/zones";
import { Consents } from "./consents";
import { Finder } from "./finder";
import { Mine } from "./mine";
import { ProfileForm } from "./profile";
import type { World } from "./world";

const DAY_MINUTES = 1_440;
const TABS = ["find", "mine", "profile"] as const;
type Tab = (typeof TABS)[number];
const ICONS = { find: "calendar", mine: "check", profile: "user" } as const;

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

function Screens({ world, session }: { world: World; session: Signed["session"] }) {
  const [tab, setTab] = useState<Tab>("find");
  const [moving, setMoving] = useState<Appointment | null>(null);
  const me = useMe(world);
  const rows = useValue(world.list.rows);
  const time = useNow(30_000);
  const upcoming = useMemo(
    () => rows.filter((row) => row.status === "confirmed" && Date.parse(row.end) > time).length,
    [rows, time],
  );
  const go = (to: Tab): void => {
    setMoving(null);
    setTab(to);
  };
  return (
    <>
      <Head session={session} name={me.name}>
        <nav class="tabs" aria-label={t("pages")}>
          {TABS.map((each) => (
            <button
              key={each}
              type="button"
              class="tab"
              aria-current={tab === each ? "page" : undefined}
              onClick={() => go(each)}
            >
              <Icon name={ICONS[each]} />
              <span>{t(`tab.${each}`)}</span>
              {each === "mine" && upcoming > 0 && <span class="count">{upcoming}</span>}
            </button>
          ))}
        </nav>
      </Head>
      <main class="column">
        {tab === "find" && (
          <Finder key={moving?.id ?? ""} world={world} moving={moving} onDone={() => go("mine")} />
        )}
        {tab === "mine" && (
          <Mine
            world={world}
            onMove={(row) => {
              setMoving(row);
              setTab("find");
            }}
            onFind={() => go("find")}
          />
        )}
        {tab === "profile" && (
          <>
            <ProfileForm world={world} me={me} />
            <Consents world={world} />
          </>
        )}
      </main>
    </>
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

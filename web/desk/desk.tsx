import { useEffect, useMemo, useState } from "preact/hooks";
import type { AppointmentNews, HubError, Profile } from "../sdk/index";
import { useResource, useValue } from "../shared/hooks";
import { t, tCode } from "../shared/i18n";
import { useLoaded } from "../shared/loaded";
import { Head, type Signed } from "../shared/shell";
import { notify } from "../shared/toasts";
import { clock, dateAt, day } from "../shared/zones";
import { around, Board } from "./board";
import { Office } from "./office";
import type { World } from "./world";

const FLASH_MS = 6_000;

export function Desk({ hub, session }: Signed) {
  const me = useLoaded(() => hub.rest.me(), [hub]);
  if (me && me.practice_id === null)
    return (
      <>
        <Head session={session} name={me.name} />
        <main class="column">
          <p class="card">{t("desk.nowhere")}</p>
        </main>
      </>
    );
  return me ? <OfHub hub={hub} session={session} me={me} /> : <Waiting session={session} />;
}

function Waiting({ session }: { session: Signed["session"] }) {
  return (
    <>
      <Head session={session} />
      <main class="wide-column" aria-busy="true">
        <p class="muted">{t("loading")}</p>
      </main>
    </>
  );
}

function OfHub({ hub, session, me }: Signed & { me: Profile }) {
  const refused = (error: HubError): void => void notify(tCode(error.code), "problem");
  const office = useResource(() => new Office(hub, me, refused), [hub, me.id]);
  return office ? (
    <AtPractice hub={hub} session={session} me={me} office={office} />
  ) : (
    <Waiting session={session} />
  );
}

function AtPractice({ hub, session, me, office }: Signed & { me: Profile; office: Office }) {
  const facts = useValue(office.facts);
  const { flashing, flash } = useFlashes();
  const zone = facts?.practice.time_zone ?? null;
  const list = useResource(() => {
    if (zone === null) return null;
    const date = dateAt(new Date(hub.rest.now()).toISOString(), zone);
    return hub.practiceAppointments(around(date, zone), (news) => announce(news, zone, flash));
  }, [hub, zone]);
  const world = useMemo<World | null>(
    () =>
      facts && list && zone !== null
        ? { ...facts, hub, me, zone, list, people: office.people }
        : null,
    [facts, list, zone, hub, me, office],
  );
  return world ? (
    <Board world={world} session={session} flashing={flashing} />
  ) : (
    <Waiting session={session} />
  );
}

function useFlashes(): { flashing: ReadonlySet<string>; flash: (id: string) => void } {
  const [flashing, setFlashing] = useState<ReadonlySet<string>>(new Set());
  const [timers] = useState(new Set<ReturnType<typeof setTimeout>>());
  useEffect(() => () => timers.forEach(clearTimeout), []);
  const flash = (id: string): void => {
    setFlashing((before) => new Set(before).add(id));
    timers.add(
      setTimeout(
        () => setFlashing((before) => new Set([...before].filter((each) => each !== id))),
        FLASH_MS,
      ),
    );
  };
  return { flashing, flash };
}

function announce({ row, type }: AppointmentNews, zone: string, flash: (id: string) => void): void {
  const what = {
    name: row.patient.name ?? "",
    day: day(row.start, zone),
    time: clock(row.start, zone),
  };
  if (type === "appointment.created") notify(t("desk.booked", what));
  else if (type === "appointment.cancelled") notify(t("desk.cancelled", what));
  else if (type !== "appointment.updated") return;
  flash(row.id);
}

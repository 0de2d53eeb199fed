/** Free times by reason, dentist and time of day; its address contains what is looked for. */

import { useEffect, useState } from "preact/hooks";
import type { Appointment, SlotView } from "../sdk/index";
import { useNow, useResource, useValue } from "../shared/hooks";
import { t } from "../shared/i18n";
import { back, go } from "../shared/place";
import { clock, longDay, VIEWER_ZONE, zoneOf } from "../shared/zones";
import { Booking } from "./booking";
import { type Details, NO_DETAILS } from "./details";
import { HeldNote, usePick } from "./hold";
import { addressOf, type Search, TIMES } from "./route";
import type { Stage } from "./stage";
import { Week } from "./week";
import { rangeOf, type Wish, wishOf } from "./wish";
import { Wishes } from "./wishes";
import { type World, zoneOfVisit } from "./world";
import { useOwnZone, Zones } from "./zone";

interface Props {
  world: World;
  search: Search;
  /** The visit that is being moved. */
  moving: Appointment | null;
  onDone: () => void;
}

export function Finder(props: Props) {
  const wish = wishOf(props.world, props.search, props.moving);
  if (!wish) return <p class="empty">{t("find.nobody")}</p>;
  return <Times {...props} wish={wish} />;
}

function Times({ world, search, moving, onDone, wish }: Props & { wish: Wish }) {
  const [isOwn, setIsOwn] = useOwnZone();
  const [stage, setStage] = useState<Stage | null>(null);
  const [typed, setTyped] = useState<Details>(NO_DETAILS);
  const chosen = world.dentists.filter((each) => !wish.dentist || each.id === wish.dentist);
  const zones = [...new Set(chosen.map(zoneOf))];
  const zone = isOwn ? VIEWER_ZONE : null;
  const change = (part: Partial<Search>): void => {
    const next = { ...search, ...part };
    const route = moving
      ? ({ is: "move", id: moving.id, search: next } as const)
      : ({ is: "find", search: next } as const);
    go(addressOf(route), "replace");
  };
  const view = useResource(
    () =>
      world.hub.freeSlots(
        {
          type: wish.type,
          dentistIds: chosen.map(({ id }) => id),
          range: rangeOf(wish, zones),
          ...TIMES[wish.time],
        },
        world.types,
      ),
    [wish.type, wish.dentist, wish.time, wish.from],
  );
  useMine(world, view, moving);
  const pick = usePick(world, view, moving, setStage);
  return (
    <>
      <Title world={world} moving={moving} instead={search.instead} />
      <Wishes wish={wish} world={world} moving={moving !== null} onChange={change} />
      <Zones zones={zones} isOwn={isOwn} onChange={setIsOwn} />
      {!stage && !moving && (
        <HeldNote
          world={world}
          onResume={(held) => setStage({ is: "held", slot: held, hold: held })}
        />
      )}
      {view && (
        <Week
          view={view}
          wish={wish}
          world={world}
          zone={zone}
          onChange={change}
          onPick={(slot) => void pick(slot)}
        />
      )}
      {view && stage && (
        <Booking
          {...{ stage, setStage, view, world, zone, moving, pick, onDone, typed, setTyped }}
        />
      )}
    </>
  );
}

/** What is looked for, and what it takes the place of. */
function Title({
  world,
  moving,
  instead,
}: {
  world: World;
  moving: Appointment | null;
  instead: string | undefined;
}) {
  const rows = useValue(world.list.rows);
  const old = moving ?? rows.find((row) => row.id === instead);
  return (
    <>
      {moving && (
        <p>
          <button
            type="button"
            class="quiet way-back"
            onClick={() => back(addressOf({ is: "mine" }))}
          >
            ← {t("move.keep")}
          </button>
        </p>
      )}
      <h1>{moving ? t("find.move") : t("find.title")}</h1>
      {old && (
        <p class="muted">
          {t("find.moving", {
            type: world.types.find((each) => each.id === old.appointment_type_id)?.name ?? "",
            day: longDay(old.start, zoneOfVisit(world, old)),
            time: clock(old.start, zoneOfVisit(world, old)),
          })}
        </p>
      )}
    </>
  );
}

/** Passes to the view one’s own holds and appointments, whose times count as one's own. */
function useMine(world: World, view: SlotView | null, moving: Appointment | null): void {
  const rows = useValue(world.list.rows);
  useEffect(() => {
    const others = rows.filter((row) => row.id !== moving?.id);
    view?.mine(
      others.filter((row) => row.status === "held"),
      others.filter((row) => ["confirmed", "arrived", "checked_in"].includes(row.status)),
    );
  }, [rows, view, moving]);
  useNow(60_000); // what has passed is no longer offered
}

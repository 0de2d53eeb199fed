/** Keeping a free time: what a click on it does, and the note about one that is kept. */

import {
  type Appointment,
  codeOf,
  HubError,
  type Reservation,
  type Slot,
  type SlotView,
} from "../sdk/index";
import { useNow, useValue } from "../shared/hooks";
import { t, tCode } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { notify } from "../shared/toasts";
import { clock, longDay } from "../shared/zones";
import type { Stage } from "./stage";
import { type World, zoneOfVisit } from "./world";

/** A time that is kept for the patient, from before or from another window. */
export function HeldNote({
  world,
  onResume,
}: {
  world: World;
  onResume: (held: Appointment) => void;
}) {
  const rows = useValue(world.list.rows);
  const row = heldOf(rows, useNow(1_000));
  if (row === undefined) return null;
  const zone = zoneOfVisit(world, row);
  return (
    <p class="held-note">
      <Icon name="clock" />{" "}
      {t("hold.waiting", { day: longDay(row.start, zone), time: clock(row.start, zone) })}{" "}
      <button type="button" class="link" onClick={() => onResume(row)}>
        {t("hold.resume")}
      </button>
    </p>
  );
}

/** What a click on a free time does: one time is kept at once, the latest. */
export function usePick(
  world: World,
  view: SlotView | null,
  moving: Appointment | null,
  setStage: (stage: Stage | null) => void,
) {
  return async (slot: Slot): Promise<void> => {
    if (moving) return setStage({ is: "moving", slot });
    const before = heldOf(world.list.rows.value, world.hub.rest.now());
    if (before?.start === slot.start && before.dentist_id === slot.dentist_id)
      return setStage({ is: "held", slot, hold: before });
    setStage({ is: "asking", slot });
    try {
      if (before) await release(world, before.id);
      setStage({ is: "held", slot, hold: await world.hub.rest.hold(slot) });
    } catch (error) {
      const code = codeOf(error);
      if (code === "SLOT_TAKEN") {
        view?.lost(slot);
        return setStage({ is: "faster", slot });
      }
      setStage(null);
      notify(tCode(code), "problem");
      if (error instanceof HubError) view?.lost(slot);
    }
  };
}

/** Gives a kept time back; if that fails, it expires by itself. */
export async function release(world: World, id: Reservation["id"]): Promise<void> {
  await world.list.expect(id, () => world.hub.rest.release(id)).catch(() => {});
}

const heldOf = (rows: readonly Appointment[], nowMs: number): Appointment | undefined =>
  rows.find((row) => row.status === "held" && Date.parse(row.expires_at ?? "") > nowMs);

/** From a free slot to an appointment: hold, countdown, confirm; or the slot is taken. */

import { useEffect, useState } from "preact/hooks";
import {
  type Appointment,
  nearest,
  type Reservation,
  type Slot,
  type SlotView,
} from "../sdk/index";
import { Dialog } from "../shared/dialog";
import { useCommand, useNow, useValue } from "../shared/hooks";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { clock, day, fullDay, span, zoneName, zoneOf } from "../shared/zones";
import { CalendarButton } from "./calendar-button";
import type { World } from "./world";

type Time = Pick<Slot, "start" | "end" | "dentist_id" | "appointment_type_id">;
type Hold = Pick<Reservation, "id" | "expires_at"> | Appointment;

export type Stage =
  | { is: "asking"; slot: Time }
  | { is: "held"; slot: Time; hold: Hold }
  | { is: "expired"; slot: Time }
  | { is: "faster"; slot: Time }
  | { is: "moving"; slot: Time }
  | { is: "booked"; slot: Time; row: Appointment };

interface Props {
  stage: Stage;
  setStage: (stage: Stage | null) => void;
  view: SlotView;
  world: World;
  zone: string | null;
  moving: Appointment | null;
  pick: (slot: Slot) => Promise<void>;
  onDone: () => void;
}

const ALTERNATIVES = 4;

export function Booking(props: Props) {
  const { stage, setStage, world } = props;
  const { hub } = world;
  const close = (): void => {
    setStage(null);
    if (stage.is === "held") {
      const { id } = stage.hold;
      void world.list.expect(id, () => hub.rest.release(id)).catch(() => {}); // it expires anyway
    }
    if (stage.is === "booked") props.onDone();
  };
  return (
    <Dialog title={t(`stage.${stage.is}`)} onClose={close}>
      <Summary slot={stage.slot} world={world} zone={props.zone} />
      {stage.is === "asking" && (
        <p class="muted" aria-busy="true">
          {t("hold.asking")}
        </p>
      )}
      {stage.is === "held" && <Held {...props} stage={stage} onClose={close} />}
      {stage.is === "moving" && <Moving {...props} onClose={close} />}
      {(stage.is === "faster" || stage.is === "expired") && <Alternatives {...props} />}
      {stage.is === "booked" && <Booked row={stage.row} world={world} onClose={close} />}
    </Dialog>
  );
}

function Summary({ slot, world, zone }: { slot: Time; world: World; zone: string | null }) {
  const dentist = world.dentists.find((each) => each.id === slot.dentist_id);
  const type = world.types.find((each) => each.id === slot.appointment_type_id);
  const shown = zone ?? zoneOf(dentist);
  return (
    <div class="summary">
      <p class="summary-time">{span(slot.start, slot.end, shown)}</p>
      <p>{fullDay(slot.start, shown)}</p>
      <p class="muted">
        {type?.name} · {dentist?.name} · {t("zone.times", { zone: zoneName(shown) })}
      </p>
    </div>
  );
}

function Held({
  stage,
  setStage,
  world,
  onClose,
}: Props & { stage: Extract<Stage, { is: "held" }>; onClose: () => void }) {
  const [notes, setNotes] = useState("");
  const { busy, problem, run } = useCommand();
  const { hold, slot } = stage;
  useNow(250);
  const leftMs = Date.parse(hold.expires_at ?? "") - world.hub.rest.now();
  useEffect(() => {
    if (leftMs <= 0 && !busy) setStage({ is: "expired", slot });
  }, [leftMs <= 0, busy]);
  const confirm = (): void => {
    const work = async (): Promise<void> => {
      const row = await world.list.expect(hold.id, () =>
        world.hub.rest.bookReservation(hold.id, notes.trim()),
      );
      world.list.take(row);
      setStage({ is: "booked", slot, row });
    };
    void run(work, (code) => {
      if (code === "RESERVATION_EXPIRED") setStage({ is: "expired", slot });
      if (code === "SLOT_TAKEN" || code === "INVALID_TRANSITION") setStage({ is: "faster", slot });
      return code === "RESERVATION_EXPIRED";
    });
  };
  return (
    <form
      class="stack"
      onSubmit={(event) => {
        event.preventDefault();
        confirm();
      }}
    >
      <Countdown leftMs={leftMs} />
      <div>
        <label for="notes">{t("hold.notes")}</label>
        <textarea
          id="notes"
          rows={2}
          maxLength={1000}
          value={notes}
          onInput={(event) => setNotes(event.currentTarget.value)}
        />
        <p class="hint">{t("hold.notes.shared")}</p>
      </div>
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <div class="actions">
        <button type="button" class="secondary" onClick={onClose}>
          {t("hold.release")}
        </button>
        <button type="submit" class="primary" disabled={busy}>
          {t("hold.confirm")}
        </button>
      </div>
    </form>
  );
}

function Countdown({ leftMs }: { leftMs: number }) {
  const seconds = Math.max(Math.ceil(leftMs / 1000), 0);
  const shown = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  return (
    <p class={seconds <= 60 ? "countdown soon" : "countdown"}>
      <Icon name="clock" /> {t("hold.left")}{" "}
      <strong role="timer" data-seconds={seconds}>
        {shown}
      </strong>
    </p>
  );
}

function Moving({
  stage,
  setStage,
  view,
  world,
  moving,
  onClose,
  onDone,
}: Props & { onClose: () => void }) {
  const { busy, problem, run } = useCommand();
  if (moving === null) return null;
  const { slot } = stage;
  const move = (): void => {
    const work = async (): Promise<void> => {
      await world.list.change(moving.id, { start: slot.start }, { end: slot.end });
      onDone();
    };
    void run(work, (code) => {
      if (code !== "SLOT_TAKEN") return false;
      view.lost(slot);
      setStage({ is: "faster", slot });
      return true;
    });
  };
  return (
    <div class="stack">
      {problem && (
        <p class="problem" role="alert">
          {problem}
        </p>
      )}
      <div class="actions">
        <button type="button" class="secondary" onClick={onClose}>
          {t("back")}
        </button>
        <button type="button" class="primary" disabled={busy} onClick={move}>
          {t("move.confirm")}
        </button>
      </div>
    </div>
  );
}

/** What is free now nearest to what was wanted, for one more click. */
function Alternatives({ stage, view, world, zone, pick }: Props) {
  const slots = useValue(view.slots);
  const near = nearest(slots, stage.slot, ALTERNATIVES);
  const again =
    stage.is === "expired"
      ? slots.find(
          (each) => each.start === stage.slot.start && each.dentist_id === stage.slot.dentist_id,
        )
      : undefined;
  return (
    <div class="stack">
      <p role="alert">{stage.is === "faster" ? t("faster.text") : t("expired.text")}</p>
      {again && (
        <button type="button" class="primary" onClick={() => void pick(again)}>
          {t("expired.again")}
        </button>
      )}
      {near.length > 0 && (
        <>
          <h3>{t("faster.near")}</h3>
          <ul class="near">
            {near.map((slot) => {
              const dentist = world.dentists.find((each) => each.id === slot.dentist_id);
              const shown = zone ?? zoneOf(dentist);
              return (
                <li key={slot.start + slot.dentist_id}>
                  <button
                    type="button"
                    class="near-slot"
                    data-start={slot.start}
                    onClick={() => void pick(slot)}
                  >
                    <strong>{clock(slot.start, shown)}</strong>{" "}
                    <span>{day(slot.start, shown)}</span> <span class="muted">{dentist?.name}</span>
                  </button>
                </li>
              );
            })}
          </ul>
        </>
      )}
    </div>
  );
}

function Booked({ row, world, onClose }: { row: Appointment; world: World; onClose: () => void }) {
  return (
    <div class="stack">
      <p class="done" role="status">
        <Icon name="check" /> {t("booked.text")}
      </p>
      <div class="actions">
        <CalendarButton world={world} id={row.id} look="secondary" />
        <button type="button" class="primary" onClick={onClose}>
          {t("booked.done")}
        </button>
      </div>
    </div>
  );
}

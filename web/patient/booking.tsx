/** From a free slot to an appointment: hold, countdown, confirm; or the slot is taken. */

import { useEffect, useRef, useState } from "preact/hooks";
import { type Appointment, nearest, type Slot, type SlotView } from "../sdk/index";
import { Dialog } from "../shared/dialog";
import { useCommand, useNow, useValue } from "../shared/hooks";
import { t } from "../shared/i18n";
import { Icon } from "../shared/icons";
import { clock, day, fullDay, span, zoneName, zoneOf } from "../shared/zones";
import { CalendarButton } from "./calendar-button";
import { type Details, missingOf, NO_DETAILS, toSave } from "./details";
import { FirstVisit } from "./first-visit";
import { release } from "./hold";
import type { Stage, Time } from "./stage";
import { dentistOf, typeOf, type World } from "./world";

interface Props {
  stage: Stage;
  setStage: (stage: Stage | null) => void;
  view: SlotView;
  world: World;
  zone: string | null;
  moving: Appointment | null;
  pick: (slot: Slot) => Promise<void>;
  onDone: () => void;
  /** What was typed; it stays when the hold ends. */
  typed: Details;
  setTyped: (typed: Details) => void;
}

const ALTERNATIVES = 4;
/** A hold that goes so shortly before its end has expired, by the hub's clock. */
const ENDING_MS = 5_000;

export function Booking(props: Props) {
  const { stage, setStage, world } = props;
  const close = (): void => {
    setStage(null);
    if (stage.is === "held") void release(world, stage.hold.id);
    if (stage.is === "booked") props.onDone();
  };
  // a tap beside the sheet may be a slip: the time stays kept, and a note leads back to it
  const leave = (): void => (stage.is === "held" ? setStage(null) : close());
  return (
    <Dialog title={t(`stage.${stage.is}`)} onClose={close} onOutside={leave}>
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
  const dentist = dentistOf(world, slot.dentist_id);
  const type = typeOf(world, slot.appointment_type_id);
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

function Held(props: Props & { stage: Extract<Stage, { is: "held" }>; onClose: () => void }) {
  const { stage, setStage, world, typed, setTyped, onClose } = props;
  const { busy, problem, run } = useCommand();
  const [isContactMissing, setIsContactMissing] = useState(false);
  const { hold, slot } = stage;
  useNow(250);
  const leftMs = Date.parse(hold.expires_at ?? "") - world.hub.rest.now();
  useFate(world, hold.id, (row) => {
    if (busy) return; // our own confirmation
    if (row) setStage({ is: "booked", slot, row });
    else setStage(leftMs <= ENDING_MS ? { is: "expired", slot } : null);
  });
  useEffect(() => {
    if (leftMs <= 0 && !busy) setStage({ is: "expired", slot });
  }, [leftMs <= 0, busy]);
  const isNew = !useValue(world.list.rows).some((row) => row.status !== "held");
  const missing = missingOf(world.me, isNew);
  const confirm = (): void => {
    const fields = toSave(missing, typed);
    setIsContactMissing(fields === null);
    if (fields === null) return;
    const work = async (): Promise<void> => {
      if (Object.keys(fields).length > 0) await world.hub.rest.updateMe(fields);
      const row = await world.list.expect(hold.id, () =>
        world.hub.rest.bookReservation(hold.id, typed.notes.trim()),
      );
      world.list.take(row);
      setTyped(NO_DETAILS);
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
      <FirstVisit missing={missing} typed={typed} setTyped={setTyped} />
      <Notes typed={typed} setTyped={setTyped} />
      {(problem || isContactMissing) && (
        <p class="problem" role="alert">
          {isContactMissing ? t("details.contact.missing") : problem}
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

/** Calls `onEnd` when another window booked the hold, or without a row when it gave it back. */
function useFate(world: World, id: string, onEnd: (booked: Appointment | null) => void): void {
  const row = useValue(world.list.rows).find((each) => each.id === id);
  const wasSeen = useRef(false);
  useEffect(() => {
    if (row?.status === "held") wasSeen.current = true;
    else if (row !== undefined) onEnd(row.status === "cancelled" ? null : row);
    else if (wasSeen.current) onEnd(null);
  }, [row?.status]);
}

function Notes({ typed, setTyped }: Pick<Props, "typed" | "setTyped">) {
  return (
    <div>
      <label for="notes">{t("hold.notes")}</label>
      <textarea
        id="notes"
        rows={2}
        maxLength={1000}
        value={typed.notes}
        onInput={(event) => setTyped({ ...typed, notes: event.currentTarget.value })}
      />
      <p class="hint">{t("hold.notes.shared")}</p>
    </div>
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
      const other = slot.dentist_id === moving.dentist_id ? {} : { dentist_id: slot.dentist_id };
      await world.list.change(moving.id, { start: slot.start, ...other }, { end: slot.end });
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
              const dentist = dentistOf(world, slot.dentist_id);
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

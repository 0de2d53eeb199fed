"""Simulated patients, directly or through a chatbot, over REST or Socket.IO."""

from chairside.client import Commands
from chairside.client.shapes import Appointment, SlotChoice
from chairside.traffic.context import SimulationContext

THINK_S = (0.1, 1.2)
"""Between finding, holding and booking, in seconds."""


class SimulatedPatient:
    """Books, changes and cancels until the run ends."""

    def __init__(self, context: SimulationContext, patient_id: str, commands: Commands) -> None:
        self._context, self._patient_id, self._commands = context, patient_id, commands
        self._mine: list[Appointment] = []

    async def run(self) -> None:
        await self._think()
        while not self._context.is_over:
            if self._mine and self._context.random.random() < 0.4:
                await self._change_something()
            else:
                await self._book_something()
            await self._think()

    async def _book_something(self) -> None:
        dentist = self._context.random.choice(self._context.links.dentists)
        slot = await self._context.free_slot(self._commands, dentist)
        if slot is None or self._context.is_over:
            return
        self._context.ledger.slot_requested(self._patient_id, slot)
        chosen = SlotChoice(
            dentist_id=slot["dentist_id"],
            appointment_type_id=slot["appointment_type_id"],
            start=slot["start"],
        )
        if self._context.random.random() < 0.3:
            await self._book_directly(chosen)
        else:
            await self._hold_and_decide(chosen)

    async def _book_directly(self, slot: SlotChoice) -> None:
        row = await self._context.book("book", self._commands.book_slot, **slot)
        if row is not None:
            self._mine.append(row)

    async def _hold_and_decide(self, slot: SlotChoice) -> None:
        """Most book the hold, some release it, a few let it expire."""
        hold = await self._context.command("hold", self._commands.hold, **slot)
        if hold is None:
            return
        self._context.ledger.held(hold)
        await self._think()
        choice = self._context.random.random()
        if choice < 0.95:
            self._context.ledger.hold_may_end(hold["id"])
        if choice < 0.8:
            row = await self._context.book("book hold", self._commands.book_reservation, hold["id"])
            if row is not None:
                self._mine.append(row)
        elif choice < 0.95:
            await self._context.command("release", self._commands.release, hold["id"])

    async def _change_something(self) -> None:
        row = self._mine.pop(self._context.random.randrange(len(self._mine)))
        choice = self._context.random.random()
        if choice < 0.6:
            await self._cancel(row)
        elif choice < 0.8:
            await self._reschedule(row)
        else:
            note, notes = self._commands.change, "please call before"
            self._keep(row, await self._context.command("note", note, row["id"], notes=notes))

    async def _cancel(self, row: Appointment) -> None:
        async def cancel() -> bool:
            await self._commands.cancel(row["id"], reason="patient_no_transport")
            return True

        if await self._context.command("cancel", cancel):
            self._context.ledger.cancelled(row)

    async def _reschedule(self, row: Appointment) -> None:
        """To another time, with any of the dentists."""
        dentist = self._context.random.choice(self._context.links.dentists)
        slot = await self._context.free_slot(self._commands, dentist)
        if slot is None or slot["appointment_type_id"] != row["appointment_type_id"]:
            self._mine.append(row)
            return
        self._context.ledger.slot_requested(self._patient_id, slot)
        move, start = self._commands.change, slot["start"]
        moved = await self._context.command(
            "reschedule", move, row["id"], start=start, dentist_id=dentist.id
        )
        self._keep(row, moved)

    def _keep(self, before: Appointment, after: Appointment | None) -> None:
        if after is not None:
            self._context.ledger.shown(after)
        self._mine.append(after or before)

    async def _think(self) -> None:
        await self._context.think(*THINK_S)

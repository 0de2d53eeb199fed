"""One patient in a conversation with the chatbot over the hub in memory, and others who book."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from chairside.chatbot.clinic import OwnAppointment
from chairside.chatbot.conversation import Conversation
from chairside.chatbot.dialogue.state import ChatReply, DialogueState, LiveChange, TimesTaken
from chairside.chatbot.language_model import LanguageModel
from chairside.client import FreeSlot
from chairside.client.slot_table import Block
from tests.support.memory_hub import Calendars, HandClock, MemoryHub
from tests.unit.chatbot.world import FACTS, WEDNESDAY


def block(slot: FreeSlot, *, longer: float = 0, after: float = 0) -> Block:
    """The time that a booking of this slot takes, in minutes ``longer``, and a buffer."""
    end = slot.end + timedelta(minutes=longer)
    return Block(slot.start, end, timedelta(), timedelta(minutes=after))


class Talk:
    """The conversation of ``ada``; clinic and clock stand still unless a test moves them."""

    def __init__(self, model: LanguageModel | None = None) -> None:
        self.clock = HandClock(WEDNESDAY)
        self.calendars = Calendars(FACTS, self.clock)
        self.bob = self.calendars.patient("bob")
        self.replies: tuple[ChatReply, ...] = ()
        self._model = model
        self.begin()

    def begin(self) -> None:
        """A new conversation at the clinic of ``calendars``."""
        self.ada: MemoryHub = self.calendars.patient("ada")
        self.conversation = Conversation(
            self.ada.calendar, self.clock, DialogueState(id="c"), self._model
        )

    async def send(self, message: str) -> str:
        return self._shown(await self.conversation.answer(message))

    async def notify(self, change: LiveChange) -> str:
        return self._shown(await self.conversation.notify(change))

    async def all(self, *messages: str) -> str:
        """Send one after the other; the reply to the last."""
        reply = ""
        for message in messages:
            reply = await self.send(message)
        return reply

    def _shown(self, replies: tuple[ChatReply, ...]) -> str:
        self.replies = replies
        return "\n".join(reply.text for reply in replies)

    # --- the clinic -----------------------------------------------------------------------

    def slot(self, dentist: str, local: str, kind: str = "cleaning") -> FreeSlot:
        """``local`` as ``2027-03-16 15:00`` on the dentist's clock."""
        who, what = FACTS.dentist(dentist), FACTS.treatment(kind)
        assert who
        assert what
        start = datetime.fromisoformat(local).replace(tzinfo=ZoneInfo(who.time_zone))
        start = start.astimezone(UTC)
        end = start + timedelta(minutes=what.minutes)
        return FreeSlot(dentist_id=dentist, appointment_type_id=kind, start=start, end=end)

    def has(self, dentist: str, local: str, kind: str = "cleaning") -> OwnAppointment:
        """Ada has this appointment from before."""
        return self.ada.booked(self.slot(dentist, local, kind))

    def bob_takes(self, dentist: str, local: str, kind: str = "cleaning") -> TimesTaken:
        """Another patient books it; the event about it."""
        slot = self.slot(dentist, local, kind)
        self.bob.booked(slot)
        return TimesTaken(dentist, (block(slot),))

    async def booked(self) -> list[str]:
        """Ada's confirmed appointments, ``cleaning mara 16.3. 15:00``, ascending."""
        return [
            f"{row.appointment_type_id} {row.dentist_id} {local.day}.{local.month}. {local:%H:%M}"
            for row in await self.ada.calendar.own_appointments()
            if row.status == "confirmed"
            for dentist in [FACTS.dentist(row.dentist_id)]
            if dentist
            for local in [row.start.astimezone(ZoneInfo(dentist.time_zone))]
        ]

    def holds(self) -> int:
        rows = self.calendars.rows.values()
        return sum(row.patient == "ada" and self.calendars.is_held(row) for row in rows)

    def moved_by_the_practice(self, appointment: OwnAppointment, local: str) -> OwnAppointment:
        """The dentist moves an appointment of Ada's."""
        slot = self.slot(appointment.dentist_id, local, appointment.appointment_type_id)
        row = self.calendars.rows[appointment.id]
        row.appointment = replace(
            row.appointment, start=slot.start, end=slot.end, version=row.appointment.version + 1
        )
        return row.appointment

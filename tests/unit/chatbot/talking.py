"""One patient talking to the chatbot over the clinic in memory, and others who interfere."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from chairside.chatbot.clinic import OwnAppointment
from chairside.chatbot.conversation import Conversation
from chairside.chatbot.dialogue.state import Block, ChatReply, DialogueState, LiveChange, TimesTaken
from chairside.chatbot.language_model import LanguageModel
from chairside.client import FreeSlot
from tests.support.memory_clinic import Calendars, ClockTimes, MemoryClinic
from tests.unit.chatbot.world import FACTS, WEDNESDAY


class Talk:
    """``ada`` talks; the clinic and the clock stand still unless a test moves them."""

    def __init__(self, model: LanguageModel | None = None) -> None:
        self.clock = ClockTimes(WEDNESDAY)
        self.calendars = Calendars(FACTS, self.clock)
        self.ada: MemoryClinic = self.calendars.patient("ada")
        self.bob = self.calendars.patient("bob")
        self.conversation = Conversation(self.ada, self.clock, DialogueState(id="c"), model)
        self.replies: tuple[ChatReply, ...] = ()

    async def say(self, message: str) -> str:
        return self._shown(await self.conversation.say(message))

    async def happened(self, live: LiveChange) -> str:
        return self._shown(await self.conversation.happened(live))

    async def all(self, *messages: str) -> str:
        """Say one after the other; the answer to the last."""
        answer = ""
        for message in messages:
            answer = await self.say(message)
        return answer

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
        """Somebody else books it; the event that tells of it."""
        slot = self.slot(dentist, local, kind)
        self.bob.booked(slot)
        return TimesTaken(dentist, (Block(start=slot.start, end=slot.end),))

    async def booked(self) -> list[str]:
        """Ada's confirmed appointments, ``cleaning mara 16.3. 15:00``, ascending."""
        return [
            f"{row.appointment_type_id} {row.dentist_id} {local.day}.{local.month}. {local:%H:%M}"
            for row in await self.ada.mine()
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

"""The shell around the machine: carries out what it asks for and tells it the outcome."""

from collections.abc import Callable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from chairside.chatbot.clinic import Clinic, ClinicRefused, ClinicUnreachable
from chairside.chatbot.dialogue import sentences
from chairside.chatbot.dialogue.machine import Dialogue
from chairside.chatbot.dialogue.state import (
    UNREACHABLE,
    BookHold,
    CancelVisit,
    Command,
    Done,
    Failed,
    FindSlots,
    Heard,
    Held,
    HoldSlot,
    Live,
    LookUpMine,
    MineFound,
    MoveVisit,
    Outcome,
    ReleaseHold,
    Reply,
    Said,
    SlotsFound,
    State,
)
from chairside.chatbot.language_model import LanguageModel, question_for, wish_of
from chairside.chatbot.understanding.acts import Intent

COMMANDS_MAX: Final = 12
"""What one message may set off; the machine needs four at most."""


class Conversation:
    """One patient's conversation. Not to be called twice at once: a conversation has an order.

    ``state`` is all it remembers; it may be kept anywhere between two messages.
    """

    def __init__(
        self,
        clinic: Clinic,
        now: Callable[[], datetime],
        state: State,
        model: LanguageModel | None = None,
    ) -> None:
        self._clinic, self._now, self._model = clinic, now, model
        self.state = state

    async def greeting(self) -> tuple[Reply, ...]:
        dialogue = await self._dialogue()
        return (dialogue.greeting(),) if dialogue else (Reply(text=sentences.BUSY),)

    async def say(self, message: str) -> tuple[Reply, ...]:
        """What the chatbot answers to a message."""
        dialogue = await self._dialogue()
        if dialogue is None:
            return (Reply(text=f"{sentences.BUSY} Please try again in a moment."),)
        heard = await self._understood(dialogue, message)
        return await self._run(dialogue, heard)

    async def happened(self, live: Live) -> tuple[Reply, ...]:
        """What the chatbot says unasked, because something happened."""
        dialogue = await self._dialogue()
        return await self._run(dialogue, live) if dialogue else ()

    async def _dialogue(self) -> Dialogue | None:
        try:
            return Dialogue(await self._clinic.facts())
        except (ClinicRefused, ClinicUnreachable):
            return None

    async def _understood(self, dialogue: Dialogue, message: str) -> Said:
        """By the rules; what they do not know a model may have a guess at, if there is one."""
        heard = dialogue.hear(self.state, message, self._now())
        if self._model is None or heard.wishes[0].intent is not Intent.UNKNOWN:
            return heard
        question = question_for(message, self.state, dialogue.facts)
        answer = await self._model.choose(question)
        if answer is None:
            return heard
        local = self._now().astimezone(ZoneInfo(dialogue.facts.time_zone))
        wish = wish_of(answer, question, dialogue.facts, local)
        return Said((wish,)) if wish is not None else heard

    async def _run(self, dialogue: Dialogue, heard: Heard) -> tuple[Reply, ...]:
        said: list[Reply] = []
        waiting: list[Heard] = [heard]
        for _ in range(COMMANDS_MAX):
            if not waiting:
                break
            step = dialogue.step(self.state, waiting.pop(0), self._now())
            self.state = step.state
            said += step.say
            for command in step.do:
                outcome = await self._outcome(command)
                if outcome is not None:
                    waiting.append(outcome)
        return tuple(said)

    async def _outcome(self, command: Command) -> Outcome | None:
        try:
            return await self._carry_out(command)
        except ClinicRefused as refusal:
            failed = Failed(refusal.code)
        except ClinicUnreachable:
            failed = Failed(UNREACHABLE)
        return None if isinstance(command, ReleaseHold) else failed

    async def _carry_out(self, command: Command) -> Outcome | None:
        clinic = self._clinic
        match command:
            case FindSlots(query=query):
                return SlotsFound(await clinic.slots(query))
            case LookUpMine():
                return MineFound(await clinic.mine())
            case HoldSlot(slot=slot, key=key):
                return Held(await clinic.hold(slot, key))
            case ReleaseHold(hold_id=hold_id, key=key):
                await clinic.release(hold_id, key)
                return None
            case BookHold(hold_id=hold_id, key=key):
                return Done(await clinic.book(hold_id, key))
            case MoveVisit(visit=visit, start=start, key=key):
                return Done(await clinic.move(visit, start, key))
            case CancelVisit(visit=visit, key=key):
                await clinic.cancel(visit, key)
                return Done(None)

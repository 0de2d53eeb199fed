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
    CancelOwnAppointment,
    ChangeDone,
    ChatReply,
    DialogueInput,
    DialogueState,
    DropHold,
    Effect,
    EffectFailed,
    EffectResult,
    FindOwnAppointments,
    FindSlots,
    HoldPlaced,
    LiveChange,
    MoveOwnAppointment,
    OwnAppointmentsFound,
    PlaceHold,
    SlotsFound,
    Utterance,
)
from chairside.chatbot.language_model import LanguageModel, act_of, question_for
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
        state: DialogueState,
        model: LanguageModel | None = None,
    ) -> None:
        self._clinic, self._now, self._model = clinic, now, model
        self.state = state

    async def greeting(self) -> tuple[ChatReply, ...]:
        dialogue = await self._dialogue()
        return (dialogue.greeting(),) if dialogue else (ChatReply(text=sentences.BUSY),)

    async def say(self, message: str) -> tuple[ChatReply, ...]:
        """What the chatbot answers to a message."""
        dialogue = await self._dialogue()
        if dialogue is None:
            return (ChatReply(text=f"{sentences.BUSY} Please try again in a moment."),)
        heard = await self._understood(dialogue, message)
        return await self._run(dialogue, heard)

    async def happened(self, live: LiveChange) -> tuple[ChatReply, ...]:
        """What the chatbot says unasked, because something happened."""
        dialogue = await self._dialogue()
        return await self._run(dialogue, live) if dialogue else ()

    async def _dialogue(self) -> Dialogue | None:
        try:
            return Dialogue(await self._clinic.facts())
        except (ClinicRefused, ClinicUnreachable):
            return None

    async def _understood(self, dialogue: Dialogue, message: str) -> Utterance:
        """By the rules; what they do not know a model may have a guess at, if there is one."""
        heard = dialogue.hear(self.state, message, self._now())
        if self._model is None or heard.acts[0].intent is not Intent.UNKNOWN:
            return heard
        question = question_for(message, self.state, dialogue.facts)
        answer = await self._model.choose(question)
        if answer is None:
            return heard
        local = self._now().astimezone(ZoneInfo(dialogue.facts.time_zone))
        act = act_of(answer, question, dialogue.facts, local)
        return Utterance((act,)) if act is not None else heard

    async def _run(self, dialogue: Dialogue, heard: DialogueInput) -> tuple[ChatReply, ...]:
        said: list[ChatReply] = []
        waiting: list[DialogueInput] = [heard]
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

    async def _outcome(self, command: Effect) -> EffectResult | None:
        try:
            return await self._carry_out(command)
        except ClinicRefused as refusal:
            failed = EffectFailed(refusal.code)
        except ClinicUnreachable:
            failed = EffectFailed(UNREACHABLE)
        return None if isinstance(command, DropHold) else failed

    async def _carry_out(self, command: Effect) -> EffectResult | None:
        clinic = self._clinic
        match command:
            case FindSlots(query=query):
                return SlotsFound(await clinic.slots(query))
            case FindOwnAppointments():
                return OwnAppointmentsFound(await clinic.mine())
            case PlaceHold(slot=slot, key=key):
                return HoldPlaced(await clinic.hold(slot, key))
            case DropHold(hold_id=hold_id, key=key):
                await clinic.release(hold_id, key)
                return None
            case BookHold(hold_id=hold_id, key=key):
                return ChangeDone(await clinic.book(hold_id, key))
            case MoveOwnAppointment(appointment=appointment, start=start, key=key):
                return ChangeDone(await clinic.move(appointment, start, key))
            case CancelOwnAppointment(appointment=appointment, key=key):
                await clinic.cancel(appointment, key)
                return ChangeDone(None)

"""The shell around the dialogue: carries out its effects and feeds their results back."""

from collections.abc import Callable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from chairside.chatbot.clinic import Facts
from chairside.chatbot.dialogue import sentences
from chairside.chatbot.dialogue.machine import Dialogue
from chairside.chatbot.dialogue.state import (
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
from chairside.chatbot.patient_calendar import PatientCalendar, failure_code
from chairside.chatbot.understanding.acts import Intent
from chairside.client import ConnectionLost, HubError

STEPS_MAX: Final = 12
"""Steps that one message may cause; the dialogue needs four at most."""


class Conversation:
    """One patient's conversation; its methods must not run concurrently.

    ``state`` is everything that it remembers; it may be stored anywhere between two messages.
    """

    def __init__(
        self,
        calendar: PatientCalendar,
        now: Callable[[], datetime],
        state: DialogueState,
        model: LanguageModel | None = None,
    ) -> None:
        self._calendar, self._now, self._model = calendar, now, model
        self.state = state

    async def greeting(self) -> tuple[ChatReply, ...]:
        dialogue = await self._dialogue()
        return (dialogue.greeting(),) if dialogue else (ChatReply(text=sentences.BUSY),)

    async def answer(self, message: str) -> tuple[ChatReply, ...]:
        """The replies to a message of the patient."""
        dialogue = await self._dialogue()
        if dialogue is None:
            return (ChatReply(text=f"{sentences.BUSY} Please try again in a moment."),)
        utterance = await self._understood(dialogue, message)
        return await self._run(dialogue, utterance)

    async def notify(self, change: LiveChange) -> tuple[ChatReply, ...]:
        """Replies that no message caused, because something changed at the clinic."""
        dialogue = await self._dialogue()
        return await self._run(dialogue, change) if dialogue else ()

    async def facts(self) -> Facts | None:
        """What is known of the clinic; None if the hub does not answer."""
        try:
            return await self._calendar.facts()
        except (HubError, ConnectionLost):
            return None

    async def _dialogue(self) -> Dialogue | None:
        facts = await self.facts()
        return None if facts is None else Dialogue(facts)

    async def _understood(self, dialogue: Dialogue, message: str) -> Utterance:
        """By the rules; a model, if there is one, may interpret what they do not know."""
        utterance = dialogue.understand(self.state, message, self._now())
        if self._model is None or utterance.acts[0].intent is not Intent.UNKNOWN:
            return utterance
        question = question_for(message, self.state, dialogue.facts)
        choice = await self._model.choose(question)
        if choice is None:
            return utterance
        local = self._now().astimezone(ZoneInfo(dialogue.facts.time_zone))
        act = act_of(choice, question, dialogue.facts, local)
        return Utterance((act,)) if act is not None else utterance

    async def _run(self, dialogue: Dialogue, first: DialogueInput) -> tuple[ChatReply, ...]:
        replies: list[ChatReply] = []
        inputs: list[DialogueInput] = [first]
        for _ in range(STEPS_MAX):
            if not inputs:
                break
            step = dialogue.step(self.state, inputs.pop(0), self._now())
            self.state = step.state
            replies += step.replies
            for effect in step.effects:
                result = await self._result(effect)
                if result is not None:
                    inputs.append(result)
        return tuple(replies)

    async def _result(self, effect: Effect) -> EffectResult | None:
        try:
            return await self._carry_out(effect)
        except (HubError, ConnectionLost) as error:
            return None if isinstance(effect, DropHold) else EffectFailed(failure_code(error))

    async def _carry_out(self, effect: Effect) -> EffectResult | None:
        calendar = self._calendar
        match effect:
            case FindSlots(query=query):
                return SlotsFound(await calendar.slots(query))
            case FindOwnAppointments():
                return OwnAppointmentsFound(await calendar.own_appointments())
            case PlaceHold(slot=slot, key=key):
                return HoldPlaced(await calendar.hold(slot, key))
            case DropHold(hold_id=hold_id, key=key):
                await calendar.release(hold_id, key)
                return None
            case BookHold(hold_id=hold_id, key=key):
                return ChangeDone(await calendar.book(hold_id, key))
            case MoveOwnAppointment(appointment=appointment, start=start, key=key):
                return ChangeDone(await calendar.move(appointment, start, key))
            case CancelOwnAppointment(appointment=appointment, key=key):
                await calendar.cancel(appointment, key)
                return ChangeDone(None)

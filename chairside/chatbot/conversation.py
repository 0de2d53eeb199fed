"""The shell around the dialogue: carries out its effects and feeds their results back."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime
from functools import partial
from typing import Final
from zoneinfo import ZoneInfo

from chairside.chatbot.clinic import Facts
from chairside.chatbot.dialogue import sentences
from chairside.chatbot.dialogue.exchange import Continuation, Effect, Exchange
from chairside.chatbot.dialogue.failures import failed
from chairside.chatbot.dialogue.machine import Dialogue
from chairside.chatbot.dialogue.state import ChatReply, DialogueState, LiveChange
from chairside.chatbot.language_model import LanguageModel, act_of, question_for
from chairside.chatbot.patient_calendar import PatientCalendar, failure_code
from chairside.chatbot.understanding.acts import DialogueAct, Intent
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
        acts = await self._understood(dialogue, message)
        return await self._run(dialogue, dialogue.answer(self.state, acts, self._now()))

    async def notify(self, change: LiveChange) -> tuple[ChatReply, ...]:
        """Replies that no message caused, because something changed at the clinic."""
        dialogue = await self._dialogue()
        if dialogue is None:
            return ()
        return await self._run(dialogue, dialogue.notify(self.state, change, self._now()))

    async def facts(self) -> Facts | None:
        """What is known of the clinic; None if the hub does not answer."""
        try:
            return await self._calendar.facts()
        except (HubError, ConnectionLost):
            return None

    async def _dialogue(self) -> Dialogue | None:
        facts = await self.facts()
        return None if facts is None else Dialogue(facts)

    async def _understood(self, dialogue: Dialogue, message: str) -> Sequence[DialogueAct]:
        """By the rules; a model, if there is one, may interpret what they do not know.

        In a thread, so that the event loop never waits for a long message.
        """
        acts = await asyncio.to_thread(dialogue.understand, self.state, message, self._now())
        if self._model is None or acts[0].intent is not Intent.UNKNOWN or acts[0].unclear:
            return acts
        question = question_for(message, self.state, dialogue.facts)
        choice = await self._model.choose(question)
        if choice is None:
            return acts
        local = self._now().astimezone(ZoneInfo(dialogue.facts.time_zone))
        act = act_of(choice, question, dialogue.facts, local)
        return (act,) if act is not None else acts

    async def _run(self, dialogue: Dialogue, step: Exchange) -> tuple[ChatReply, ...]:
        """Run the effect of this step, and those of the steps that follow."""
        replies: list[ChatReply] = []
        for _ in range(STEPS_MAX):
            self.state = step.state
            replies += step.replies
            for hold_id, key in step.releases:
                with suppress(HubError, ConnectionLost):  # a hold ends by itself
                    await self._calendar.release(hold_id, key)
            if step.effect is None:
                break
            then = await self._result(step.effect)
            step = dialogue.resume(self.state, then, self._now())
        return tuple(replies)

    async def _result(self, effect: Effect) -> Continuation:
        try:
            return await effect.run(self._calendar)
        except (HubError, ConnectionLost) as error:
            return partial(failed, code=failure_code(error), purpose=effect.purpose)

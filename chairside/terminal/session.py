"""A conversation over the network, with notices as things change: ``chairside chat``."""

import asyncio
import time
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from uuid import uuid4

import aiohttp
import structlog

from chairside.chatbot.conversation import Conversation
from chairside.chatbot.dialogue.state import ChatReply, DialogueState
from chairside.chatbot.language_model import LanguageModel
from chairside.chatbot.live_events import live_change, searched
from chairside.chatbot.patient_calendar import PatientCalendar
from chairside.chatbot.slot_memory import DENTISTS_MAX, FollowedSlots
from chairside.client import HubEvent, LiveClient
from chairside.patient_access import PatientAccess
from chairside.terminal.screen import Inbox, Screen

log = structlog.get_logger(__name__)


class ChatSession:
    """The conversation of one patient, shown on a screen."""

    def __init__(self, access: PatientAccess, model: LanguageModel | None, screen: Screen) -> None:
        self._access, self._model, self._screen = access, model, screen
        self._inbox: Inbox = asyncio.Queue()

    async def run(self) -> None:
        """Run until the input ends. Raises ClientError if the hub cannot be used."""
        access = self._access
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            client = access.client(session)
            await client.me()  # reports a wrong address or token first
            await stack.enter_async_context(
                LiveClient(
                    access.url,
                    namespace="/chatbot",
                    token=access.token,
                    on_behalf_of=access.on_behalf_of,
                    on_event=self._received,
                    session=session,
                )
            )
            slots = await stack.enter_async_context(
                FollowedSlots(
                    client, session=session, token=access.token, now=_now, on_event=self._received
                )
            )
            calendar = PatientCalendar(client, _now, time.monotonic, slots)
            state = DialogueState(id=str(uuid4()))
            conversation = Conversation(calendar, _now, state, self._model)
            self._show(await conversation.greeting())
            self._screen.start(self._inbox)
            await self._converse(conversation, slots)

    async def _converse(self, conversation: Conversation, slots: FollowedSlots) -> None:
        """Handle one item at a time, so that a notice never overtakes a reply."""
        self._screen.prompt()
        while (item := await self._inbox.get()) is not None:
            if isinstance(item, str):
                replies = await conversation.answer(item) if item.strip() else ()
            else:
                replies = await conversation.notify(item)
            self._show(replies)
            await self._follow(conversation, slots)
            if replies or isinstance(item, str):
                self._screen.prompt()

    def _show(self, replies: tuple[ChatReply, ...]) -> None:
        for reply in replies:
            self._screen.show(reply)

    def _received(self, event: HubEvent) -> None:
        try:
            change = live_change(event.type, event.data)
        except ValueError as error:  # an event of a later version of the hub
            log.debug("event_not_understood", type=event.type, error=str(error))
            return
        if change is not None:
            self._inbox.put_nowait(change)

    async def _follow(self, conversation: Conversation, slots: FollowedSlots) -> None:
        """Keep the slots in memory that the task searches."""
        task, facts = conversation.state.task, await conversation.facts()
        if task is None or task.appointment_type_id is None or facts is None:
            return
        dentist_ids = searched(task, facts, DENTISTS_MAX)
        if dentist_ids:
            await slots.follow(task.appointment_type_id, dentist_ids)


def _now() -> datetime:
    return datetime.now(UTC)

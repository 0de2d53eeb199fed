"""One session of ``chairside chat``: a conversation over REST, with live notices."""

import asyncio
import time
from contextlib import AsyncExitStack, suppress
from datetime import UTC, datetime
from typing import Protocol
from uuid import uuid4

import aiohttp
import structlog

from chairside.chatbot.conversation import Conversation
from chairside.chatbot.dialogue.state import ChatReply, DialogueState, LiveChange
from chairside.chatbot.language_model import LanguageModel
from chairside.chatbot.live_events import heard, watched
from chairside.chatbot.patient_calendar import PatientCalendar
from chairside.client import ClientError, HubError, HubEvent, LiveClient
from chairside.client.channels import availability_channel
from chairside.patient_access import PatientAccess

log = structlog.get_logger(__name__)


Inbox = asyncio.Queue[str | LiveChange | None]
"""Typed lines and live changes in order of arrival; ``None`` ends the session."""


class Screen(Protocol):
    """Where the patient types and reads."""

    def start(self, inbox: Inbox) -> None:
        """Put every typed line into ``inbox``, and ``None`` at the end of input."""
        ...

    def show(self, reply: ChatReply) -> None: ...

    def prompt(self) -> None:
        """Show that input is expected."""
        ...


class ChatSession:
    """The conversation of one patient, shown on a screen."""

    def __init__(self, access: PatientAccess, model: LanguageModel | None, screen: Screen) -> None:
        self._access, self._model, self._screen = access, model, screen
        self._inbox: Inbox = asyncio.Queue()
        self._followed: set[str] = set()

    async def run(self) -> None:
        """Run until the input ends. Raises ClientError if the hub cannot be used."""
        async with AsyncExitStack() as stack:
            session = await stack.enter_async_context(aiohttp.ClientSession())
            client = self._access.client(session)
            await client.me()  # reports a wrong address or token first
            live = await self._live(stack, session)
            conversation = Conversation(
                PatientCalendar(client, _now, time.monotonic),
                _now,
                DialogueState(id=str(uuid4())),
                self._model,
            )
            self._show(await conversation.greeting())
            self._screen.start(self._inbox)
            await self._converse(conversation, live)

    async def _converse(self, conversation: Conversation, live: LiveClient) -> None:
        """Handle one item at a time, so that a notice never overtakes a reply."""
        self._screen.prompt()
        while (item := await self._inbox.get()) is not None:
            if isinstance(item, str):
                replies = await conversation.say(item) if item.strip() else ()
            else:
                replies = await conversation.happened(item)
            self._show(replies)
            await self._follow(live, conversation)
            if replies or isinstance(item, str):
                self._screen.prompt()

    def _show(self, replies: tuple[ChatReply, ...]) -> None:
        for reply in replies:
            self._screen.show(reply)

    async def _live(self, stack: AsyncExitStack, session: aiohttp.ClientSession) -> LiveClient:
        return await stack.enter_async_context(
            LiveClient(
                self._access.url,
                namespace="/chatbot",
                token=self._access.token,
                on_behalf_of=self._access.on_behalf_of,
                on_event=self._received,
                session=session,
            )
        )

    def _received(self, event: HubEvent) -> None:
        with suppress(KeyError, ValueError, TypeError):  # data of a newer hub
            if (live := heard(event.type, event.data)) is not None:
                self._inbox.put_nowait(live)

    async def _follow(self, live: LiveClient, conversation: Conversation) -> None:
        """Follow the dentists of the current offers, and no others."""
        wanted = {availability_channel(one) for one in watched(conversation.state)}
        for channel in wanted - self._followed:
            try:
                await live.follow(channel)
            except (HubError, ClientError) as error:
                log.warning("not_followed", channel=channel, why=str(error))
                wanted.discard(channel)
        for channel in self._followed - wanted:
            with suppress(HubError, ClientError):
                await live.leave(channel)
        self._followed = wanted


def _now() -> datetime:
    return datetime.now(UTC)

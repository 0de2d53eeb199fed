"""A conversation over REST with live notices: what ``chairside chat`` runs."""

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


class Screen(Protocol):
    """Where the patient types and reads."""

    def start(self, said: "asyncio.Queue[str | LiveChange | None]") -> None:
        """Put every line that is typed into ``said``, and ``None`` at the end."""
        ...

    def show(self, reply: ChatReply) -> None: ...

    def ask(self) -> None:
        """It is the patient's turn."""
        ...


class ChatSession:
    def __init__(self, access: PatientAccess, model: LanguageModel | None, screen: Screen) -> None:
        self._access, self._model, self._screen = access, model, screen
        self._inbox: asyncio.Queue[str | LiveChange | None] = asyncio.Queue()
        self._followed: set[str] = set()

    async def run(self) -> None:
        """Until the patient ends it; raises ClientError when the hub cannot be used at all."""
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
        """One thing after the other, so that a notice never overtakes an answer."""
        self._screen.ask()
        while (item := await self._inbox.get()) is not None:
            if isinstance(item, str):
                replies = await conversation.say(item) if item.strip() else ()
            else:
                replies = await conversation.happened(item)
            self._show(replies)
            await self._follow(live, conversation)
            if replies or isinstance(item, str):
                self._screen.ask()

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
        with suppress(KeyError, ValueError, TypeError):  # newer than we are: not for us
            if (live := heard(event.type, event.data)) is not None:
                self._inbox.put_nowait(live)

    async def _follow(self, live: LiveClient, conversation: Conversation) -> None:
        """The calendars of what is offered now, and no others."""
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

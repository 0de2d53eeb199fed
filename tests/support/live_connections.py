"""One person's live connections in every protocol, and whether each has ended."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from tests.support.clinic import CHATBOT, Clinic, Person, appointments_of
from tests.support.eventually import eventually
from tests.support.screens import Screen
from tests.support.sse import Listener, listening
from tests.support.supabase_wire import RawSupabase, raw_supabase
from tests.support.tokens import token

ENDED_S = 3.0

Ended = Callable[[], Awaitable[bool]]
"""Whether the hub has ended that connection."""


@asynccontextmanager
async def every_protocol(clinic: Clinic, person: Person) -> AsyncIterator[Mapping[str, Ended]]:
    """The person's own connections; for a patient, also those of chatbots that act for them."""
    channel = appointments_of(person)
    async with AsyncExitStack() as opened:
        raw = await opened.enter_async_context(
            raw_supabase(clinic.session, clinic.url, person.token)
        )
        await raw.joined(channel)
        stream = await opened.enter_async_context(
            listening(clinic.session, clinic.url, person.token, [channel])
        )
        await stream.event("hub:ready")
        ends: dict[str, Ended] = {
            "Socket.IO": _of_screen(await clinic.screen(person)),
            "Supabase": _of_topic(raw, channel),
            "stream": _of_stream(stream),
        }
        if person.role == "patient":
            acting = token("patient", f"patient-{_number(person)}", act={"sub": "some-chatbot"})
            with_act = await clinic.connect("/chatbot", {"token": acting})
            service = await opened.enter_async_context(
                listening(
                    clinic.session,
                    clinic.url,
                    CHATBOT,
                    [channel],
                    headers={"On-Behalf-Of": person.id},
                )
            )
            await service.event("hub:ready")
            ends |= {
                "Socket.IO with act": _of_screen(with_act),
                "Socket.IO of a service": _of_screen(await clinic.chatbot_screen(person)),
                "stream of a service": _of_stream(service),
            }
        yield ends


async def all_ended(ends: Mapping[str, Ended]) -> None:
    """Assert that each connection ends within :data:`ENDED_S`."""
    for protocol, ended in ends.items():
        assert await eventually(ended, ENDED_S), f"{protocol} has not ended"


async def none_has_ended(ends: Mapping[str, Ended]) -> None:
    """Assert that none has ended; call it after ``all_ended`` of other connections."""
    for protocol, ended in ends.items():
        assert not await ended(), f"{protocol} has ended"


def _number(person: Person) -> int:
    return int(person.name.rpartition(" ")[2])


def _of_screen(screen: Screen) -> Ended:
    async def ended() -> bool:
        announced = any(each.event == "auth:expired" for each in screen.received)
        return announced and screen.disconnected.is_set()

    return ended


def _of_stream(stream: Listener) -> Ended:
    async def ended() -> bool:
        return stream.ended and stream.frames[-1].event == "auth:expired"

    return ended


def _of_topic(raw: RawSupabase, channel: str) -> Ended:
    async def ended() -> bool:
        await raw.alive()
        return any(
            message.event == "phx_error" and message.topic == f"realtime:{channel}"
            for message in raw.kept
        )

    return ended

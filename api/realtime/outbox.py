"""The packets that wait for one Engine.IO session, and how many bytes they are."""

import asyncio

from engineio.packet import Packet  # type: ignore[import-untyped]  # ships no types

End = None
"""Behind the last packet: nothing follows."""


class Outbox(asyncio.Queue[Packet | None]):
    """``_init``, ``_put`` and ``_get`` are what ``asyncio.Queue`` leaves to subclasses."""

    size_bytes: int

    def _init(self, maxsize: int) -> None:
        super()._init(maxsize)
        self.size_bytes = 0

    def _put(self, item: Packet | None) -> None:
        super()._put(item)
        self.size_bytes += packet_bytes(item)

    def _get(self) -> Packet | None:
        item = super()._get()
        self.size_bytes -= packet_bytes(item)
        return item

    def clear(self) -> None:
        """Forget what will never be read."""
        while not self.empty():
            self.get_nowait()

    async def take(self, at_most: int) -> list[Packet]:
        """What waits, as soon as something does; nothing: the end has come, and stays."""
        first = await self.get()
        packets = []
        while first is not None:
            packets.append(first)
            if self.empty() or len(packets) == at_most:
                return packets
            first = self.get_nowait()
        self.put_nowait(End)
        return packets


def packet_bytes(packet: Packet | None) -> int:
    """Of its text; what has none (the greeting, a ping, the end) is a few bytes."""
    text = packet.data if packet is not None else None
    return text_bytes(text) if isinstance(text, str) else 0


def text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())

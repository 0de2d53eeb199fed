"""Parser of ``text/event-stream`` (HTML Standard, section 9.2.6). Pure: bytes to events."""

from dataclasses import dataclass
from typing import Final

EVENT_BYTES_MAX: Final = 4 * 1024 * 1024
"""A longer event does not come from a hub."""


class UnreadableStream(ValueError):
    """The bytes are not a stream of events."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    event: str
    data: str
    id: str | None
    retry_ms: int | None


class SseReader:
    """Parses chunks as they arrive, however they are cut. Comments yield no events."""

    def __init__(self) -> None:
        self._rest = b""
        self._fields: dict[str, str] = {}
        self._data: list[str] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[ServerSentEvent]:
        """The events that are complete now. Raises :class:`UnreadableStream`."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > EVENT_BYTES_MAX:
            raise UnreadableStream("a line is too long")
        return [event for line in lines if (event := self._line(line.removesuffix(b"\r")))]

    def _line(self, line: bytes) -> ServerSentEvent | None:
        if not line:
            return self._complete()
        self._size += len(line)
        if self._size > EVENT_BYTES_MAX:
            raise UnreadableStream("an event is too long")
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name:
            self._fields[name] = value
        return None

    def _complete(self) -> ServerSentEvent | None:
        fields, data = self._fields, self._data
        self._fields, self._data, self._size = {}, [], 0
        if not data:
            return None
        retry = fields.get("retry", "")
        return ServerSentEvent(
            event=fields.get("event", "message"),
            data="\n".join(data),
            id=fields.get("id"),
            retry_ms=int(retry) if retry.isascii() and retry.isdecimal() else None,
        )

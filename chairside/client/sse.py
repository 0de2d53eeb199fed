"""Reading ``text/event-stream`` (HTML Standard §9.2.6). Pure: bytes in, messages out."""

from dataclasses import dataclass

MESSAGE_BYTES_MAX = 4 * 1024 * 1024
"""A stream whose one message is longer is not one of a hub."""


class UnreadableStream(ValueError):
    """What comes is no stream of events."""


@dataclass(frozen=True, slots=True)
class Message:
    event: str
    data: str
    id: str | None
    retry_ms: int | None


class SseReader:
    """Feed it what arrives; comments count as having heard something, and are no messages."""

    def __init__(self) -> None:
        self._rest = b""
        self._fields: dict[str, str] = {}
        self._data: list[str] = []
        self._size = 0

    def feed(self, chunk: bytes) -> list[Message]:
        """The messages that are complete now. Raises :class:`UnreadableStream`."""
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        if len(self._rest) > MESSAGE_BYTES_MAX:
            raise UnreadableStream("a line without end")
        found: list[Message] = []
        for line in lines:
            self._size += len(line)
            if self._size > MESSAGE_BYTES_MAX:
                raise UnreadableStream("a message without end")
            if message := self._line(line.removesuffix(b"\r")):
                found.append(message)
        return found

    def _line(self, line: bytes) -> Message | None:
        if not line:
            return self._end()
        name, _, value = line.decode("utf-8", "replace").partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name:
            self._fields[name] = value
        return None

    def _end(self) -> Message | None:
        fields, data = self._fields, self._data
        self._fields, self._data, self._size = {}, [], 0
        if not data:
            return None
        retry = fields.get("retry", "")
        return Message(
            event=fields.get("event", "message"),
            data="\n".join(data),
            id=fields.get("id"),
            retry_ms=int(retry) if retry.isascii() and retry.isdecimal() else None,
        )

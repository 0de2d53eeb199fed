"""The client of the benchmark: thousands of sockets that count what they are sent.

It reads and counts bytes, for frames of one run are all of one size; so a single process
on a core of its own keeps up with any of the servers.
"""

import json
import select
import socket
import struct
import time
from collections.abc import Callable, Iterator, Sequence

from tests.benchmarks.fanout.script import NAMESPACE, STAMP_DIGITS

_UPGRADE = (
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n"
)
_GROUP = 50
"""Sockets that connect at the same time."""
_ID = b'"id":"'
_SAMPLE_EVERY = 10
_RECEIVE_BYTES = 1 << 18
_WAIT_S = 20.0
_QUIET_S = 0.3
"""After this long without an event, no more are expected."""
_ACK_S = 10.0
"""The longest wait for the first ack of a measurement."""


def masked(text: str) -> bytes:
    """A client's frame; a mask of zeros leaves the text as it is."""
    payload = text.encode()
    size = len(payload)
    header = struct.pack("!BB", 0x81, 0x80 | size) if size < 126 else None
    return (header or struct.pack("!BBH", 0x81, 0x80 | 126, size)) + bytes(4) + payload


def stamp() -> str:
    return f"{time.monotonic_ns():0{STAMP_DIGITS}}"


class Crowd:
    """The clients of one server; ``join`` puts the first so many of them into a room."""

    def __init__(
        self, port: int, control: int, auth: object, *, receive_buffer_bytes: int | None = None
    ) -> None:
        self._port, self._auth = port, json.dumps(auth)
        self._receive_buffer_bytes = receive_buffer_bytes
        self._control = socket.create_connection(("127.0.0.1", control))
        self._control.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sockets: list[socket.socket] = []
        self._buffer = memoryview(bytearray(_RECEIVE_BYTES))
        self._epoll = select.epoll()
        self._by_fd: dict[int, socket.socket] = {}
        self._frame_bytes: dict[str, int] = {}

    def connect(self, count: int) -> None:
        """More sockets, each connected and ready."""
        while count > 0:
            group = [self._opened() for _ in range(min(_GROUP, count))]
            self._exchange(group, masked(f"40{NAMESPACE},{self._auth}"), b"hub:ready")
            self.sockets += group
            count -= len(group)
        for each in self.sockets:
            if each.fileno() not in self._by_fd:
                self._by_fd[each.fileno()] = each
                self._epoll.register(each.fileno(), select.EPOLLIN)

    def _opened(self) -> socket.socket:
        opened = socket.socket()
        if self._receive_buffer_bytes is not None:
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, self._receive_buffer_bytes)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        opened.connect(("127.0.0.1", self._port))
        opened.settimeout(_WAIT_S)
        opened.sendall(_UPGRADE.format(port=self._port).encode())
        read_until(opened, b'0{"')
        return opened

    def _exchange(self, group: Sequence[socket.socket], sent: bytes, answer: bytes) -> None:
        for each in group:
            each.settimeout(_WAIT_S)
            each.sendall(sent)
        for each in group:
            read_until(each, answer)
            each.setblocking(False)

    def join(self, channel: str, count: int) -> None:
        """The first ``count`` sockets enter a room."""
        sent = masked(f'42{NAMESPACE},1["channel:join",{{"channel":"{channel}"}}]')
        for first in range(0, count, _GROUP):
            self._exchange(self.sockets[first : min(first + _GROUP, count)], sent, b",1[")

    def publish(self, channel: str, count: int) -> None:
        self._control.sendall(f"{channel} {count} {stamp()}\n".encode())

    def receive(self, until: float, take: Callable[[memoryview], None]) -> bool:
        """Read once what has arrived; false when nothing came until then."""
        ready = self._epoll.poll(max(0.0, until - time.monotonic()))
        for fd, _ in ready:
            try:
                size = self._by_fd[fd].recv_into(self._buffer)
            except BlockingIOError:
                continue
            if not size:
                raise ConnectionError("the server closed a socket")
            take(self._buffer[:size])
        return bool(ready)

    def frame_bytes(self, channel: str, count: int) -> int:
        """How large an event is, by its first frame; raises if a socket does not get it."""
        if channel in self._frame_bytes:
            return self._frame_bytes[channel]
        total = size = 0

        def add(data: memoryview) -> None:
            nonlocal total, size
            if not size:
                short = data[1] < 126
                size = 2 + data[1] if short else 4 + int.from_bytes(data[2:4], "big")
            total += len(data)

        self.publish(channel, 1)
        while not size or total < size * count:
            if not self.receive(time.monotonic() + _WAIT_S, add):
                break
        if total != size * count:
            raise ConnectionError(f"{count} sockets got {total} bytes, events have {size}")
        self._frame_bytes[channel] = size
        return size

    def saturate(self, channel: str, count: int, seconds: float, *, window: int) -> tuple[int, int]:
        """Have never less than half of ``window`` events under way: how many deliveries
        arrive in that time, and how many in all, for what is under way still arrives."""
        size = self.frame_bytes(channel, count)
        received, published, began = 0, 0, time.monotonic()

        def add(data: memoryview) -> None:
            nonlocal received
            received += len(data)

        while time.monotonic() < began + seconds:
            under_way = published - received // (size * count)
            if under_way <= window // 2:
                self.publish(channel, window - under_way)
                published += window - under_way
            self.receive(began + seconds, add)
        counted = received // size
        while (missing := published * size * count - received) > 0:
            if not self.receive(time.monotonic() + _WAIT_S, add):
                what = f"{published} events of {size} bytes to {count} sockets"
                raise ConnectionError(f"of {what}, {missing} bytes never came")
        return counted, published * count

    def follow(self, channel: str, count: int, events: int, *, window: int) -> None:
        """Get this many events, with ``window`` of them under way; raises if one is lost."""
        size = self.frame_bytes(channel, count)
        received, published = 0, 0

        def add(data: memoryview) -> None:
            nonlocal received
            received += len(data)

        while received < events * size * count:
            under_way = published - received // (size * count)
            if under_way <= window // 2 and published < events:
                more = min(window - under_way, events - published)
                self.publish(channel, more)
                published += more
            if not self.receive(time.monotonic() + _WAIT_S, add):
                raise ConnectionError("events were lost")

    def latencies_ms(self, channel: str, count: int, rate: float, seconds: float) -> list[float]:
        """How long deliveries took, at ``rate`` events a second, to every tenth socket.

        The others are read afterwards: were all read at once, the last of a thousand would
        wait for this client, not for the server.
        """
        took: list[float] = []
        sample = {each.fileno(): each for each in self.sockets[:count:_SAMPLE_EVERY]}
        epoll = select.epoll()
        for fd in sample:
            epoll.register(fd, select.EPOLLIN)

        def read(wait_s: float) -> bool:
            ready = epoll.poll(max(0.0, wait_s))
            for fd, _ in ready:
                text = sample[fd].recv(_RECEIVE_BYTES)
                now = time.monotonic_ns()
                took.extend((now - stamped) / 1e6 for stamped in stamps(text))
            return bool(ready)

        began, sent = time.monotonic(), 0
        while sent < rate * seconds:
            if time.monotonic() >= began + sent / rate:
                self.publish(channel, 1)
                sent += 1
            read(began + sent / rate - time.monotonic())
        while read(_QUIET_S):
            pass
        epoll.close()
        while self.receive(time.monotonic() + _QUIET_S, lambda _: None):
            pass
        return took

    def acks(self, sockets: int, seconds: float) -> int:
        """Count the acks when each of some sockets always has one command in flight.

        At least one, however slow the machine is.
        """
        sent = masked(f'42{NAMESPACE},7["channel:leave",{{"channel":"availability:none"}}]')
        sending = self.sockets[:sockets]
        answered, end = 0, time.monotonic() + seconds
        for each in sending:
            each.send(sent)
        while not answered or time.monotonic() < end:
            ready = self._epoll.poll(max(end - time.monotonic(), 0) if answered else _ACK_S)
            if not (ready or answered):
                raise TimeoutError(f"no command was answered within {_ACK_S:g} s")
            for fd, _ in ready:
                self._by_fd[fd].recv_into(self._buffer)
                answered += 1
                self._by_fd[fd].send(sent)
        while self.receive(time.monotonic() + _QUIET_S, lambda _: None):
            pass
        return answered

    def close(self) -> None:
        for each in (*self.sockets, self._control):
            each.close()
        self._epoll.close()


def stamps(data: bytes) -> Iterator[int]:
    """Of the events in it; one that is not whole is left out."""
    at = data.find(_ID)
    while at >= 0:
        digits = data[at + len(_ID) : at + len(_ID) + STAMP_DIGITS]
        if len(digits) == STAMP_DIGITS:
            yield int(digits)
        at = data.find(_ID, at + STAMP_DIGITS)


def read_until(sock: socket.socket, expected: bytes) -> None:
    received = b""
    while expected not in received:
        data = sock.recv(65_536)
        if not data:
            raise ConnectionError(f"closed after {received[:500]!r}")
        received += data

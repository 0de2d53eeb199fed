"""The floor: one ready frame, one ``send`` per socket, and nothing else at all.

It implements just enough of the protocols for the same client.
"""

import json
import os
import select
import socket

from tests.benchmarks.fanout.script import EVENT, FIRST_OFFSET, NAMESPACE, envelope, print_ready

_UPGRADED = (
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Accept: none\r\n\r\n"
)


def frame(text: str) -> bytes:
    payload = text.encode()
    size = len(payload)
    header = bytes((0x81, size)) if size < 126 else b"\x81\x7e" + size.to_bytes(2, "big")
    return header + payload


def messages(received: bytearray) -> list[str]:
    """The whole masked frames at its beginning, taken out of it."""
    found = []
    while len(received) >= 6:
        size, at = received[1] & 0x7F, 2
        if size == 126:
            size, at = int.from_bytes(received[2:4], "big"), 4
        if len(received) < at + 4 + size:
            break
        found.append(received[at + 4 : at + 4 + size].decode())  # the client masks with zeros
        del received[: at + 4 + size]
    return found


class Floor:
    def __init__(self) -> None:
        self.rooms: dict[str, list[int]] = {}
        self.sockets: dict[int, socket.socket] = {}
        self.received: dict[int, bytearray] = {}
        self.offset = FIRST_OFFSET

    def take(self, fd: int, data: bytes) -> None:
        received = self.received[fd]
        received += data
        if received.startswith(b"GET"):
            _, end, rest = received.partition(b"\r\n\r\n")
            if not end:
                return
            self.received[fd] = received = bytearray(rest)
            os.write(fd, _UPGRADED + frame('0{"sid":"x"}'))
        for text in messages(received):
            self.answer(fd, text)

    def answer(self, fd: int, text: str) -> None:
        kind, _, rest = text.partition(",")
        if kind == f"40{NAMESPACE}":
            os.write(
                fd, frame(f'40{NAMESPACE},{{"sid":"x"}}') + frame(f'42{NAMESPACE},["hub:ready"]')
            )
            return
        number, _, arguments = rest.partition("[")
        event, body = json.loads("[" + arguments)
        if event == "channel:join":
            self.rooms.setdefault(body["channel"], []).append(fd)
        message = json.dumps({"ok": True, "data": body}, separators=(",", ":"))
        os.write(fd, frame(f"43{NAMESPACE},{number}[{message}]"))

    def publish(self, line: str) -> None:
        channel, count, stamp = line.split()
        for _ in range(int(count)):
            self.offset += 1
            message = json.dumps(envelope(channel, self.offset, stamp), separators=(",", ":"))
            data = frame(f'42{NAMESPACE},["{EVENT}",{message}]')
            for fd in self.rooms.get(channel, ()):
                write(fd, data)

    def serve(self) -> None:
        listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        control = socket.create_server(("127.0.0.1", 0))
        print_ready(listener.getsockname()[1], control.getsockname()[1])
        commands, _ = control.accept()
        epoll, lines = select.epoll(), b""
        for each in (listener, commands):
            epoll.register(each.fileno(), select.EPOLLIN)
        while True:
            for fd, _ in epoll.poll():
                if fd == listener.fileno():
                    accepted, _ = listener.accept()
                    accepted.setblocking(False)
                    self.sockets[accepted.fileno()] = accepted
                    self.received[accepted.fileno()] = bytearray()
                    epoll.register(accepted.fileno(), select.EPOLLIN)
                elif fd == commands.fileno():
                    if not (message := commands.recv(65_536)):
                        return
                    *whole, lines = (lines + message).split(b"\n")
                    for line in whole:
                        self.publish(line.decode())
                else:
                    self.read(epoll, fd)

    def read(self, epoll: select.epoll, fd: int) -> None:
        try:
            data = self.sockets[fd].recv(65_536)
        except ConnectionError:
            data = b""
        if data:
            self.take(fd, data)
        else:
            epoll.unregister(fd)
            self.sockets.pop(fd).close()


def write(fd: int, data: bytes) -> None:
    """All of it, waiting if need be."""
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:
            select.select([], [fd], [])


if __name__ == "__main__":
    Floor().serve()

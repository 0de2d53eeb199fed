"""The send buffer of a connection keeps the order of frames, joins them, and is bounded."""

import asyncio
import zlib

import pytest

from api.realtime.rooms.fairness import TimeSlice
from api.realtime.rooms.frames import Frame, Frames
from api.realtime.rooms.send_buffer import SendBuffer, SendPolicy

END = Frame("1")


class Transport:
    """Records writes; ``unread`` bytes of them wait for the peer."""

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.unread = 0
        self.closing = False

    def write(self, data: bytes) -> None:
        self.writes.append(data)

    def get_write_buffer_size(self) -> int:
        return self.unread

    def is_closing(self) -> bool:
        return self.closing


class World:
    def __init__(self, *, max_bytes: int = 1_000, deflate_from_bytes: int | None = None) -> None:
        self.slow: list[int] = []
        self.transport = Transport()
        policy = SendPolicy(
            time_slice=TimeSlice(), max_bytes=max_bytes, deflate_from_bytes=deflate_from_bytes
        )
        self.buffer = SendBuffer(policy, self.slow.append)

    def open(self, *, deflates: bool = False) -> "World":
        self.buffer.write_to(self.transport, deflates=deflates)
        return self

    @property
    def texts(self) -> list[list[str]]:
        return [messages(data) for data in self.transport.writes]


def messages(data: bytes) -> list[str]:
    """The texts of unmasked WebSocket frames, each shorter than 126 bytes or 64 KiB."""
    found = []
    while data:
        assert data[0] == 0x81
        size, at = (data[1], 2) if data[1] < 126 else (int.from_bytes(data[2:4], "big"), 4)
        found.append(data[at : at + size].decode())
        data = data[at + size :]
    return found


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 70_000])
def test_a_frame_has_the_header_of_its_length(size: int) -> None:
    framed = Frame("ä" * (size // 2) + "x" * (size % 2)).framed
    length, at = framed[1], 2
    if length == 126:
        length, at = int.from_bytes(framed[2:4], "big"), 4
        assert length >= 126
    elif length == 127:
        length, at = int.from_bytes(framed[2:10], "big"), 10
        assert length >= 65_536
    assert (framed[0], length, len(framed) - at) == (0x81, size, size)


@pytest.mark.parametrize("characters", [0, 100, 200, 70_000])
def test_a_poll_gets_the_payload_of_a_frame(characters: int) -> None:
    text = '42/patient,["x","ä"]' + "x" * characters
    assert Frame(text).text == text


def test_a_compressed_frame_refers_to_no_earlier_frame() -> None:
    frame = Frame("4" + "again and " * 50)
    data = frame.deflated
    assert data[0] == 0xC1, "the last frame of a compressed text"
    assert len(data) < len(frame.framed) / 3
    size, at = (data[1], 2) if data[1] < 126 else (int.from_bytes(data[2:4], "big"), 4)
    assert len(data) == at + size
    text = zlib.decompressobj(-zlib.MAX_WBITS).decompress(data[at:] + b"\x00\x00\xff\xff")
    assert text.decode() == frame.text


async def test_a_frame_is_written_at_once_when_idle() -> None:
    world = World().open()
    world.buffer.put(Frame("4a"))
    assert world.texts == [["4a"]]
    await asyncio.sleep(0)
    world.buffer.put(Frame("4b"))
    assert world.texts == [["4a"], ["4b"]]


async def test_frames_of_one_iteration_are_joined_into_one_write() -> None:
    world = World().open()
    for text in ("4a", "4b", "4c", "4d"):
        world.buffer.put(Frame(text))
    assert world.texts == [["4a"]]
    await asyncio.sleep(0)
    assert world.texts == [["4a"], ["4b", "4c", "4d"]]


async def test_a_frame_followed_by_more_is_written_with_it() -> None:
    world = World().open()
    world.buffer.put(Frame("4a"), more=True)
    world.buffer.put(Frame("4b"), more=True)
    assert world.texts == []
    world.buffer.put(Frame("4c"))
    assert world.texts == [["4a", "4b", "4c"]]
    await asyncio.sleep(0)
    assert len(world.texts) == 1


async def test_a_group_of_frames_is_one_write_shared_by_all_recipients() -> None:
    frames = Frames([Frame("4a"), Frame("4b")])
    worlds = [World().open(), World().open()]
    for world in worlds:
        world.buffer.put(frames)
        assert world.texts == [["4a", "4b"]]
    assert worlds[0].transport.writes[0] is worlds[1].transport.writes[0]
    worlds[0].buffer.put(Frame("4c"))
    worlds[0].buffer.put(frames)
    await asyncio.sleep(0)
    assert worlds[0].texts[1:] == [["4c", "4a", "4b"]]


async def test_a_group_of_frames_is_split_into_packets_for_polls() -> None:
    world = World()
    world.buffer.put(Frames([Frame("4a"), Frame("4b"), Frame("4c")]))
    polls = [await world.buffer.take(2, alone=END) for _ in range(2)]
    assert [[frame.text for frame in poll] for poll in polls] == [["4a", "4b"], ["4c"]]


async def test_frames_of_a_group_are_compressed_individually() -> None:
    small, large = Frame("4a"), Frame("4" + "again and " * 50)
    world = World(deflate_from_bytes=100).open(deflates=True)
    for _ in range(2):
        world.buffer.put(Frames([small, large]))
        await asyncio.sleep(0)
    assert world.transport.writes == [small.framed + large.deflated] * 2


async def test_a_group_of_frames_exceeds_the_limit_by_one_frame_at_most() -> None:
    world = World(max_bytes=100).open()
    parts = [Frame("4" + letter * 37) for letter in "abcdef"]
    world.buffer.put(Frames(parts))
    assert world.slow == [120], "three of 40 bytes each"
    world.buffer.put(Frames(parts))
    await asyncio.sleep(0)
    assert (world.slow, world.texts) == ([120], [])


async def test_a_frame_is_written_even_if_nothing_follows() -> None:
    world = World().open()
    world.buffer.put(Frame("4a"), more=True)
    await asyncio.sleep(0)
    assert world.texts == [["4a"]]


async def test_recipients_of_the_same_frames_share_the_written_bytes() -> None:
    policy = SendPolicy(time_slice=TimeSlice(), max_bytes=1_000)
    frames = [Frame("4a"), Frame("4b")]
    written = []
    for _ in range(2):
        buffer, transport = SendBuffer(policy, lambda _: None), Transport()
        buffer.write_to(transport)
        buffer.put(frames[0], more=True)
        buffer.put(frames[1])
        written.append(transport.writes[0])
    assert written[0] is written[1]


async def test_frames_left_by_polls_go_to_the_websocket_first() -> None:
    world = World()
    for text in ("4a", "4b", "4c"):
        world.buffer.put(Frame(text))
    assert [frame.text for frame in await world.buffer.take(1, alone=END)] == ["4a"]
    world.open()
    world.buffer.put(Frame("4d"))
    await asyncio.sleep(0)
    assert [text for texts in world.texts for text in texts] == ["4b", "4c", "4d"]


async def test_a_frame_that_must_be_alone_waits_for_its_own_poll() -> None:
    world, last = World(), Frame("1")
    for frame in (Frame("4a"), last):
        world.buffer.put(frame)
    polls = [await world.buffer.take(16, alone=last) for _ in range(2)]
    assert [[frame.text for frame in poll] for poll in polls] == [["4a"], ["1"]]


async def test_a_poll_waits_for_frames_and_gets_none_after_the_end() -> None:
    world = World()
    poll = asyncio.create_task(world.buffer.take(16, alone=END))
    await asyncio.sleep(0)
    world.buffer.put(Frame("4a"))
    assert [frame.text for frame in await poll] == ["4a"]
    poll = asyncio.create_task(world.buffer.take(16, alone=END))
    await asyncio.sleep(0)
    world.buffer.end()
    assert await poll == []
    world.buffer.put(Frame("4b"))
    assert await world.buffer.take(16, alone=END) == []


async def test_close_is_sent_in_a_poll_of_its_own() -> None:
    world = World()
    world.buffer.put(Frame("4a"))
    world.buffer.put(END)
    world.buffer.end()
    assert [frame.text for frame in await world.buffer.take(16, alone=END)] == ["4a"]
    assert [frame.text for frame in await world.buffer.take(16, alone=END)] == ["1"]


@pytest.mark.parametrize("polls", [True, False])
async def test_a_full_buffer_is_reported_once_and_takes_no_more_frames(polls: bool) -> None:
    world = World(max_bytes=100)
    if not polls:
        world.open().transport.unread = 80
    await asyncio.sleep(0)
    for _ in range(10):
        world.buffer.put(Frame("4" + "x" * 49))
    (waited,) = world.slow
    assert 100 < waited <= 100 + 51
    await asyncio.sleep(0)
    assert world.buffer.unsent_bytes == world.transport.unread


async def test_the_end_flushes_but_not_to_a_closing_transport() -> None:
    world = World().open()
    world.buffer.put(Frame("4a"), more=True)
    world.buffer.end()
    assert world.texts == [["4a"]]
    gone = World().open()
    gone.transport.closing = True
    gone.buffer.put(Frame("4a"))
    gone.buffer.put(Frame("4b"))
    await asyncio.sleep(0)
    assert gone.texts == []


async def test_large_frames_are_compressed_only_for_clients_that_agreed() -> None:
    small, large = Frame("4small"), Frame("4" + "large" * 30)
    agreed = World(deflate_from_bytes=100).open(deflates=True)
    agreed.buffer.put(small, more=True)
    agreed.buffer.put(large)
    assert agreed.transport.writes == [small.framed + large.deflated]
    plain = World(deflate_from_bytes=100).open(deflates=False)
    plain.buffer.put(large)
    assert plain.transport.writes == [large.framed]


async def test_other_tasks_run_when_the_time_slice_is_used_up() -> None:
    time_slice, order = TimeSlice(slice_s=0), list[str]()
    assert not time_slice.is_used_up
    time_slice.begin()
    assert time_slice.is_used_up

    async def other() -> None:
        order.append("other")

    task = asyncio.create_task(other())
    await time_slice.wait_for_next()
    order.append("writing")
    await task
    assert order == ["other", "writing"]

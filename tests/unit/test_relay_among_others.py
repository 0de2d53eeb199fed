"""A relay that shares its log with those of other nodes (DESIGN §9)."""

from tests.unit.relay_world import A, B, MemoryLog, record, records, until
from tests.unit.test_relay import QUICK, World


async def test_what_others_committed_goes_to_the_rooms_that_somebody_joined() -> None:
    world = World(is_ours=lambda _: False)
    async with world.running():
        await world.relay.position(A)
        world.relay.receive([record(1), record(1, B), record(2)])
        await until(lambda: world.broadcaster.sent[A] == [1, 2])
        assert world.broadcaster.sent[B] == [], "nobody asked about that channel here"
    assert world.log.marks == [], "who committed it writes it down"


async def test_what_others_committed_is_sent_in_order_whatever_order_it_comes_in() -> None:
    world = World()
    async with world.running():
        await world.relay.position(A)
        world.relay.receive([record(3)])
        world.relay.publish([record(2)])
        world.relay.receive([record(1), record(3)])
        await until(lambda: world.broadcaster.sent[A] == [1, 2, 3])


async def test_caches_hear_of_every_event_of_the_others() -> None:
    heard: list[tuple[str, int]] = []
    world = World(listeners=[lambda each: heard.append((each.channel, each.position.offset))])
    async with world.running():
        world.relay.receive([record(1, B)])
    assert heard == [(B, 1)]


async def test_an_event_that_comes_while_its_channel_is_asked_about_is_not_missed() -> None:
    world = World()
    async with world.running():
        world.log.during_heads = lambda: world.relay.receive([record(1)])
        position = await world.relay.position(A)
        await until(lambda: world.broadcaster.sent[A] == [1])
        assert position.offset <= 1


async def test_what_nobody_told_is_read_up_to_the_head_and_told_to_the_caches() -> None:
    heard: list[int] = []
    world = World(
        is_ours=lambda _: False, listeners=[lambda each: heard.append(each.position.offset)]
    )
    async with world.running():
        await world.relay.position(A)
        world.log.append(*records(1, 3))
        assert world.relay.catch_up(await world.log.heads([A])) == 1
        await until(lambda: world.broadcaster.sent[A] == [1, 2, 3])
        assert world.relay.catch_up(await world.log.heads([A])) == 0, "nothing is behind now"
    assert heard == [1, 2, 3]
    assert world.log.marks == []


async def test_more_than_one_page_is_caught_up_with() -> None:
    world = World()
    async with world.running():
        await world.relay.position(A)
        world.log.append(*records(1, 3 * QUICK.page_size))
        world.relay.catch_up(await world.log.heads([A]))
        await until(lambda: len(world.broadcaster.sent[A]) == 3 * QUICK.page_size)
    assert world.broadcaster.sent[A] == list(range(1, 3 * QUICK.page_size + 1))


async def test_a_new_epoch_in_the_log_is_where_the_channel_goes_on() -> None:
    world = World()
    async with world.running():
        await world.relay.position(A)
        world.log.append(record(5, epoch=2))
        world.relay.catch_up(await world.log.heads([A]))
        position = await world.relay.position(A)
    assert (position.epoch, position.offset) == (2, 5)


async def test_what_a_crash_left_is_not_taken_from_those_who_live() -> None:
    world = World(*records(1, 2))
    await world.relay.start(recovers=False)
    await world.relay.stop()
    assert isinstance(world.log, MemoryLog)
    assert world.log.marks == []


async def test_only_what_is_ours_is_written_down_here() -> None:
    world = World(is_ours=lambda each: each.position.offset == 2)
    async with world.running():
        await world.relay.position(A)
        world.relay.receive([record(1)])
        world.relay.publish([record(2)])
        await until(lambda: world.broadcaster.sent[A] == [1, 2])
    assert list(world.log.marked()) == [2]

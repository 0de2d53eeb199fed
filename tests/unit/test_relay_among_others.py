"""A relay that shares its log with the relays of other nodes."""

from actors.ports.events import EventRecord
from tests.unit.relay_world import A, B, MemoryLog, record, records, until
from tests.unit.test_relay import QUICK, World


async def test_events_of_other_nodes_are_broadcast_in_followed_channels() -> None:
    world = World(is_ours=lambda _: False)
    async with world.running():
        await world.relay.positions([A])
        world.relay.receive([record(1), record(1, B), record(2)])
        await until(lambda: world.broadcaster.sent[A] == [1, 2])
        assert world.broadcaster.sent[B] == [], "this channel is not followed here"
    assert world.log.marks == [], "the node that committed it marks it"


async def test_events_of_other_nodes_are_broadcast_in_order() -> None:
    world = World()
    async with world.running():
        await world.relay.positions([A])
        world.relay.receive([record(3)])
        world.relay.publish([record(2)])
        world.relay.receive([record(1), record(3)])
        await until(lambda: world.broadcaster.sent[A] == [1, 2, 3])


async def test_listeners_get_every_event_of_other_nodes() -> None:
    received: list[EventRecord] = []
    world = World(listeners=[received.extend])
    async with world.running():
        world.relay.receive([record(1, B)])
    assert received == [record(1, B)]


async def test_an_event_received_during_the_lookup_is_not_missed() -> None:
    world = World()
    async with world.running():
        world.log.during_heads = lambda: world.relay.receive([record(1)])
        position = (await world.relay.positions([A]))[A]
        await until(lambda: world.broadcaster.sent[A] == [1])
        assert position.offset <= 1


async def test_missing_events_are_read_up_to_the_head_and_given_to_listeners() -> None:
    received: list[EventRecord] = []
    world = World(is_ours=lambda _: False, listeners=[received.extend])
    async with world.running():
        await world.relay.positions([A])
        world.log.append(*records(1, 3))
        assert world.relay.catch_up(await world.log.heads([A])) == 1
        await until(lambda: world.broadcaster.sent[A] == [1, 2, 3])
        assert world.relay.catch_up(await world.log.heads([A])) == 0, "nothing is behind now"
    assert received == records(1, 3)
    assert world.log.marks == []


async def test_catching_up_reads_several_pages() -> None:
    world = World()
    async with world.running():
        await world.relay.positions([A])
        world.log.append(*records(1, 3 * QUICK.page_size))
        world.relay.catch_up(await world.log.heads([A]))
        await until(lambda: len(world.broadcaster.sent[A]) == 3 * QUICK.page_size)
    assert world.broadcaster.sent[A] == list(range(1, 3 * QUICK.page_size + 1))


async def test_a_channel_continues_at_a_new_epoch_of_the_log() -> None:
    world = World()
    async with world.running():
        await world.relay.positions([A])
        world.log.append(record(5, epoch=2))
        world.relay.catch_up(await world.log.heads([A]))
        position = (await world.relay.positions([A]))[A]
    assert (position.epoch, position.offset) == (2, 5)


async def test_pending_events_of_other_nodes_are_left_to_them() -> None:
    world = World(*records(1, 2))
    await world.relay.start(recovers=False)
    await world.relay.stop()
    assert isinstance(world.log, MemoryLog)
    assert world.log.marks == []


async def test_only_events_of_this_node_are_marked() -> None:
    world = World(is_ours=lambda each: each.position.offset == 2)
    async with world.running():
        await world.relay.positions([A])
        world.relay.receive([record(1)])
        world.relay.publish([record(2)])
        await until(lambda: world.broadcaster.sent[A] == [1, 2])
    assert list(world.log.marked()) == [2]

"""Builds this node's part in the cluster, around the calendars and events of the core."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from actors.tasks import Tasks
from api.realtime.supabase.presence_sync import PresenceSync
from hub.bootstrap_core import Core
from hub.clock import SystemClock
from hub.cluster.calendars.forwarded import ForwardedRequests
from hub.cluster.calendars.holds import HoldWatch
from hub.cluster.calendars.local import LocalCalendars
from hub.cluster.calendars.messages import COMMAND_PATH, SNAPSHOT_PATH
from hub.cluster.calendars.ownership import Ownership
from hub.cluster.calendars.router import Router
from hub.cluster.cluster import Cluster
from hub.cluster.figures import ClusterFigures
from hub.cluster.internal.address import advertised_address, internal_listener
from hub.cluster.internal.disconnects import DISCONNECT_PATH, ClusterConnections
from hub.cluster.internal.node_client import NodeClient
from hub.cluster.internal.node_server import NodeHandler, internal_app, serving_nodes
from hub.cluster.local_node import LocalNode
from hub.cluster.members.crash_watch import CrashWatch
from hub.cluster.members.lease_keeper import LeaseKeeper
from hub.cluster.stream.abandoned import AbandonedEvents
from hub.cluster.stream.publisher import StreamPeers
from hub.cluster.stream.receiver import StreamReceiver
from store.postgres.liveness import open_liveness
from store.postgres.nodes import Nodes, open_nodes


@asynccontextmanager
async def open_cluster(core: Core, node: LocalNode) -> AsyncIterator[Cluster]:
    """A member of the cluster until the block ends. Raises what the database raises.

    In the end the node completes what it accepted, publishes the events of that, and leaves;
    only then it stops answering the other nodes.
    """
    config = core.base.config
    async with AsyncExitStack() as stack:
        renew_s = config.cluster.renew_s
        nodes = await stack.enter_async_context(
            open_nodes(config.database, SystemClock(), renew_s=renew_s)
        )
        listener = stack.enter_context(internal_listener(config.cluster, config.database.location))
        client = NodeClient(node.membership)
        stack.push_async_callback(client.close)
        address = advertised_address(config.cluster, listener)
        cluster = build_cluster(core, node, nodes, client, address)
        core.base.metrics.watch_cluster(cluster.figures.counters, cluster.figures.gauges)
        app = internal_app(node.membership, handlers_of(cluster))
        await stack.enter_async_context(serving_nodes(app, listener))
        stack.push_async_callback(cluster.forwarded.close)
        await stack.enter_async_context(taking_part(core, node, cluster))
        yield cluster


@asynccontextmanager
async def taking_part(core: Core, node: LocalNode, cluster: Cluster) -> AsyncIterator[None]:
    """Join, and be a member until the block ends."""
    async with AsyncExitStack() as stack:
        watching = Tasks()
        await cluster.keeper.join()
        stack.push_async_callback(watching.finish)  # a node keeps its lock until it has left
        stack.push_async_callback(cluster.leave)
        watching.start(cluster.crash_watch.run())
        tasks = Tasks()
        tasks.start(cluster.keeper.run())
        tasks.start(node.writer.run())
        stack.push_async_callback(tasks.finish)
        stack.push_async_callback(node.writer.flush)
        stack.push_async_callback(core.registry.close)
        yield


def handlers_of(cluster: Cluster) -> Mapping[str, NodeHandler]:
    return {
        COMMAND_PATH: cluster.forwarded.serve_command,
        SNAPSHOT_PATH: cluster.forwarded.serve_snapshot,
        DISCONNECT_PATH: cluster.connections.serve,
    }


def build_cluster(
    core: Core, node: LocalNode, nodes: Nodes, client: NodeClient, address: str
) -> Cluster:
    """The parts of a node that has not joined yet; ``address`` is where others reach it."""
    config, store, clock = core.base.config, core.base.store, core.base.clock
    members, events = node.membership, store.events
    ownership = Ownership(core.registry, nodes, members)
    local = LocalCalendars(core.registry, store.calendars, members)
    router = Router(
        core.registry,
        local,
        members,
        ownership,
        client,
        clock,
        deadline_s=config.actors.command_deadline_s,
    )
    forwarded = ForwardedRequests(local, members, ownership)
    holds = HoldWatch(store.calendars, core.alarms, members)
    keeper = _keeper(core, node, nodes, address, ownership, holds)
    repair = core.repair()
    peers = StreamPeers(members, node.publisher)
    presence = PresenceSync(core.presence, peers, clock.monotonic)
    receiver = StreamReceiver(
        config.redis,
        members,
        clock,
        relay=core.relay,
        repair=repair,
        clear_caches=core.clear_caches,
        reopen_calendars=core.registry.reopen_all,
        on_presence=presence.receive,
    )
    return Cluster(
        node=node,
        keeper=keeper,
        crash_watch=CrashWatch(lambda: open_liveness(config.database), members, keeper),
        ownership=ownership,
        router=router,
        forwarded=forwarded,
        connections=ClusterConnections(members, keeper, client, core.context.revocations),
        holds=holds,
        repair=repair,
        receiver=receiver,
        abandoned=AbandonedEvents(events, members, clock),
        presence=presence,
        figures=ClusterFigures(node, ownership, router, forwarded, receiver, repair, clock),
        repair_s=config.cluster.repair_s,
    )


def _keeper(
    core: Core,
    node: LocalNode,
    nodes: Nodes,
    address: str,
    ownership: Ownership,
    holds: HoldWatch,
) -> LeaseKeeper:
    settings = core.base.config.cluster
    return LeaseKeeper(
        nodes,
        node.membership,
        core.base.clock,
        core.base.new_id,
        name=settings.name or address.partition("//")[2],
        address=address,
        key=settings.key,
        renew_s=settings.renew_s,
        on_lost=core.registry.abandon,
        on_change=(ownership.members_changed, holds.members_changed),
    )

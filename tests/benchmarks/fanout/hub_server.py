"""This hub, as ``chairside serve`` runs it; events come to it as the committer's do."""

import asyncio
import sqlite3
import tempfile
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import orjson
import uvloop

from actors.domain.channels import Channel
from actors.domain.ids import EventId
from actors.domain.position import Position
from actors.ports.events import EventRecord
from api.auth import AuthSettings
from api.http.settings import ServerSettings
from api.realtime.rooms.settings import RealtimeSettings
from api.settings import ApiSettings
from hub.bootstrap import Hub
from hub.config import Config
from hub.server import bind, serve
from hub.telemetry.logging import LoggingSettings, configure_logging
from store.migrations.migrate import upgrade
from store.settings import DatabaseSettings
from tests.benchmarks.fanout.script import (
    EVENT,
    FIRST_OFFSET,
    PING_S,
    ROOMS_MAX,
    controlled,
    data,
    dentist_of_room,
)
from tests.support.tokens import SECRET


def config(url: str) -> Config:
    return Config(
        database=DatabaseSettings(url=url),
        auth=AuthSettings(secret=SECRET),
        server=ServerSettings(max_connections_per_address=0),  # one address stands for thousands
        api=ApiSettings(rate_per_s=1e9, rate_burst=10**9),  # one principal stands for thousands
        realtime=RealtimeSettings(
            ping_interval_s=PING_S, position_interval_s=PING_S, sockets_per_user=0
        ),
        logging=LoggingSettings(level="info", format="json"),
    )


class Publisher:
    """Announces events to the relay; they are no rows, so a commit's time is not in it."""

    def __init__(self, hub: Hub) -> None:
        self._relay = hub.core.relay
        self._offsets: dict[str, int] = {}
        self._epochs: dict[str, int] = {}
        self._payload = orjson.dumps(data())

    async def __call__(self, channel: str, count: int, stamp: str) -> None:
        name = Channel(channel)
        if channel not in self._epochs:  # the offsets begin again, far from the log's
            self._epochs[channel] = (await self._relay.positions([name]))[name].epoch + 1
        first = self._offsets.get(channel, FIRST_OFFSET) + 1
        self._offsets[channel] = first + count - 1
        self._relay.publish(
            [
                EventRecord(
                    channel=name,
                    position=Position(self._epochs[channel], offset),
                    event_id=EventId(stamp),
                    type=EVENT,
                    time=_now(),
                    payload=self._payload,
                )
                for offset in range(first, first + count)
            ]
        )


def _now() -> datetime:
    """Never a whole second, whose text has no fraction: all frames have the same size."""
    now = datetime.now(UTC)
    return now if now.microsecond else now.replace(microsecond=1)


def _add_dentists(database: Path) -> None:
    """One for the room of every size: a channel of free times needs its dentist."""
    insert = "INSERT INTO profiles (id, role, name, version, search_text) VALUES (?, ?, ?, 1, '')"
    rows = [(dentist_of_room(size), "dentist", "A") for size in range(ROOMS_MAX)]
    with closing(sqlite3.connect(database)) as connection, connection:
        connection.executemany(insert, rows)


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'bench.db'}"
        upgrade(url)
        _add_dentists(Path(folder) / "bench.db")
        settings = config(url)
        configure_logging(settings.logging)
        with bind("127.0.0.1", 0) as listener:

            async def ready(_: str, hub: Hub) -> None:
                await controlled(listener.getsockname()[1], Publisher(hub))

            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(serve(settings, listener, ready))


if __name__ == "__main__":
    main()

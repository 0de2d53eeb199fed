"""The settings of the store: the sections ``[database]`` and ``[retention]``.

``config.toml`` explains each of them.
"""

from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Le
from sqlalchemy import URL

from store.sql.url import is_postgresql, parse_url

_Connections = Annotated[int, Ge(1), Le(64)]
_Milliseconds = Annotated[int, Ge(1)]
_Days = Annotated[float, Ge(0.001)]


@dataclass(frozen=True, kw_only=True, slots=True)
class DatabaseSettings:
    """Which database the hub uses, with how many connections and which timeouts."""

    url: str = field(default="sqlite:///chairside.db", repr=False)  # may hold a password
    migrate_url: str = field(default="", repr=False)
    readers: _Connections = 4
    writers: _Connections = 8
    lock_timeout_ms: _Milliseconds = 5_000
    statement_timeout_ms: _Milliseconds = 10_000
    idle_in_transaction_timeout_ms: _Milliseconds = 10_000
    prepared_statements: bool = True
    ping_timeout_s: Annotated[float, Ge(0.001)] = 1.0

    @property
    def location(self) -> URL:
        """The parsed ``url``. Raises UnusableDatabaseUrl."""
        return parse_url(self.url)

    @property
    def engine(self) -> Literal["sqlite", "postgresql"]:
        return "postgresql" if is_postgresql(self.location) else "sqlite"


@dataclass(frozen=True, kw_only=True, slots=True)
class RetentionSettings:
    """How long events, unused reservations and idempotency keys are kept."""

    events_days: _Days = 30.0
    holds_days: _Days = 7.0
    idempotency_keys_days: _Days = 1.0
    messages_days: _Days = 180.0
    sweep_minutes: Annotated[float, Ge(0.001)] = 10.0

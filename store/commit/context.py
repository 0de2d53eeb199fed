"""The parts of the engine and the core that every commit uses."""

from dataclasses import dataclass

from actors.ports.clock import NewId
from actors.ports.rendering import Render
from store.sql.write_statements import WriteStatements


@dataclass(frozen=True, kw_only=True, slots=True)
class CommitContext:
    """The statements of the engine, and how events are rendered and numbered."""

    sql: WriteStatements
    render: Render
    """Called inside the transaction, in the engine's thread; must be pure."""
    new_id: NewId

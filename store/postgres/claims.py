"""Roles and claims on PostgreSQL: what each transaction says of itself before it begins.

Three roles that nobody logs in as. The login of ``[database] url`` is a member of the two
that work; ``SET LOCAL ROLE`` gives up every further right it may have, its ownership and
BYPASSRLS included, and the policies of migrations 0006 and 0007 judge by ``request.jwt.claims``.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from actors.domain.principal import Principal, Role
from store.sql.codec import fold
from store.sql.readers import Lookup

OWNER, WRITER, READER = "hub_owner", "hub_writer", "hub_reader"
SHOWN = "hub_shown"
"""The schema whose views stand in the tables' places for callers."""
CLAIMS = "request.jwt.claims"

MAINTENANCE = ("SET LOCAL ROLE hub_owner", "SET LOCAL hub.purpose = 'maintenance'")
"""Said at the start of a transaction that must see every row: dumps, checks, repairs. The
owner's own rights are not enough: row security is forced on it, too."""

_HUB, _WRITER = "hub", "writer"


def reading_claims(principal: Principal | None, lookup: Lookup) -> Mapping[str, Any]:
    """``None`` is the hub itself, which sees what it asks for."""
    claims: dict[str, Any] = {
        "calendars": lookup.calendars,
        "channels": lookup.channels,
        "scopes": lookup.scopes,
        "people": lookup.people,
        "subjects": lookup.subjects,
        "exact": lookup.exact,
        "exact_key": fold(lookup.exact) if lookup.exact else None,
    }
    if principal is None:
        return claims | {"role": _HUB}
    if principal.role is Role.SYSTEM:
        return {}
    claims |= {"role": str(principal.role), "sub": principal.subject, "person": principal.person}
    nothing: dict[str, Any] = dict.fromkeys(("calendars", "channels", "people", "subjects"), ())
    return claims | nothing | {"scopes": (principal.scope,)}


def reading_path(principal: Principal | None) -> str:
    """Where names of tables are looked up: a caller's in the views first."""
    return f"{SHOWN}, public" if principal else "public"


_BIND = text(
    f"SELECT set_config('role', '{READER}', true), set_config('{CLAIMS}', :claims, true),"
    " set_config('search_path', :path, true),"
    " set_config('statement_timeout', :statement_timeout, true)"
)


class BindClaims:
    """Binds a transaction to the reader's role and the claims of its principal."""

    def __init__(self, statement_timeout_ms: int) -> None:
        self._timeout = f"{statement_timeout_ms}ms"

    async def __call__(
        self, connection: AsyncConnection, principal: Principal | None, lookup: Lookup
    ) -> None:
        claims = json.dumps(reading_claims(principal, lookup))
        said = {"claims": claims, "path": reading_path(principal)}
        await connection.execute(_BIND, said | {"statement_timeout": self._timeout})


def declared_writes(people: Sequence[str]) -> str:
    """SQL that tells the policies whose records the transaction may write."""
    return f'SET LOCAL "{CLAIMS}" = {_literal(json.dumps({"role": _WRITER, "declared": people}))}'


def _literal(words: str) -> str:
    """Quoted so that neither quotes nor backslashes in it mean anything."""
    assert "$claims$" not in words, "ids of our own making"
    return f"$claims${words}$claims$"

"""Row security on PostgreSQL: the role and the claims that each transaction sets first.

There are three roles without a login. The login of ``[database] url`` is a member of writer and
reader. ``SET LOCAL ROLE`` gives up all its other rights, also ownership and BYPASSRLS; the
policies in ``store/migrations/versions`` then decide by ``request.jwt.claims``.
"""

import json
from collections.abc import Mapping, Sequence

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from actors.domain.principal import Principal, Role
from actors.domain.webhook import concerned_patient
from store.sql.readers import Lookup

OWNER, WRITER, READER = "hub_owner", "hub_writer", "hub_reader"
SHOWN = "hub_shown"
"""The schema whose views callers see in place of the tables."""
CLAIMS = "request.jwt.claims"
POLICIES_FIRST = "cpu_operator_cost"
"""Set to 0 where callers read. PostgreSQL evaluates cheap conditions that it takes for leakproof
before the policies, and takes ``CASE WHEN notes = 'x' THEN 1 / (SELECT count(*) ...) END`` for
leakproof; whether that fails would reveal what a hidden row holds. A condition counts as cheap
if it costs less than ten operators; if operators cost nothing, none does."""

MAINTENANCE = ("SET LOCAL ROLE hub_owner", "SET LOCAL hub.purpose = 'maintenance'")
"""Executed first in a transaction that must see every row: dumps, checks, repairs. The
ownership alone is not enough, because row security is forced on the owner, too."""

_HUB, _WRITER = "hub", "writer"


def reading_claims(principal: Principal | None, lookup: Lookup) -> Mapping[str, object]:
    """``None`` is the hub itself, which sees what it looks up."""
    contact = lookup.contact
    claims: dict[str, object] = {
        "calendars": lookup.calendars,
        "practices": lookup.practices,
        "channels": lookup.channels,
        "scopes": lookup.scopes,
        "people": lookup.people,
        "issuer": lookup.issuer,
        "subjects": lookup.subjects,
        "exact": lookup.exact,
        "exact_key": contact.email_key if contact else None,
        "exact_phones": contact.phone_keys if contact else (),
    }
    if principal is None:
        return claims | {"role": _HUB}
    if principal.role is Role.SYSTEM:
        return {}
    return {
        "calendars": principal.calendars,
        "colleagues": principal.colleagues,
        "scopes": (principal.scope,),
        "role": str(principal.role),
        "sub": principal.subject,
        "account": principal.account,
        "person": principal.person,
        "practice": principal.practice,
        "sight": principal.sight,
        "concerned": concerned_patient(principal),
    }


def reading_path(principal: Principal | None) -> str:
    """The schemas in which table names are resolved: for a caller, the views first."""
    return f"{SHOWN}, public" if principal else "public"


_BIND = text(
    f"SELECT set_config('role', '{READER}', true), set_config('{CLAIMS}', :claims, true),"
    f" set_config('search_path', :path, true), set_config('{POLICIES_FIRST}', '0', true),"
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
        settings = {"claims": claims, "path": reading_path(principal)}
        await connection.execute(_BIND, settings | {"statement_timeout": self._timeout})


SET_WRITER = (
    f"SELECT set_config('role', '{WRITER}', true), set_config('{CLAIMS}', $1::TEXT, true),"
    " set_config('lock_timeout', $2::TEXT, true), set_config('statement_timeout', $3::TEXT, true),"
    " set_config('idle_in_transaction_session_timeout', $4::TEXT, true)"
)
"""The first statement of a transaction that writes; takes :func:`writing_claims` and timeouts."""


def writing_claims(people: Sequence[str]) -> str:
    """Declare to the policies whose records the transaction may write."""
    return json.dumps({"role": _WRITER, "declared": people})

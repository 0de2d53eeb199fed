"""How the core's values become JSON: implemented by ``api.schemas``."""

from collections.abc import Callable, Mapping

from actors.domain.announcements import Body
from actors.domain.ids import ProfileId

Names = Mapping[ProfileId, str]
"""Names of the people a body mentions, as of the transaction that renders it."""

Render = Callable[[Body, Names], bytes]
"""A body as the JSON that REST shows; the only place where JSON is made (api/schemas.py)."""

"""Rendering values of the core as JSON; implemented by ``api.schemas``."""

from collections.abc import Callable, Mapping

from actors.domain.announcements import Body
from actors.domain.ids import ProfileId

Names = Mapping[ProfileId, str]
"""Names of the people in a body, read in the transaction that renders it."""

Render = Callable[[Body, Names], bytes]
"""Renders a body as the same JSON that REST returns."""

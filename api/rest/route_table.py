"""Every route under /api in one table, from which it is served, checked and documented."""

from typing import Final

from api.rest import (
    appointments,
    availability,
    catalog,
    changes,
    people,
    reservations,
    webhooks,
)
from api.rest.chat import routes as chat
from api.rest.route import AnyRoute

ROUTES: Final[tuple[AnyRoute, ...]] = (
    *appointments.ROUTES,
    *reservations.ROUTES,
    *availability.ROUTES,
    *people.ROUTES,
    *catalog.ROUTES,
    *changes.ROUTES,
    *webhooks.ROUTES,
    *chat.ROUTES,
)

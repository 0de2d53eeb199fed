"""Practices: where dentists and staff work (FHIR Organization and Location)."""

from actors.domain.ids import PracticeId
from actors.domain.schedule import Closure
from actors.domain.values import value


@value
class Practice:
    """Everything is public to every signed-in user."""

    id: PracticeId
    name: str
    time_zone: str
    """IANA name. A new dentist's schedule starts with it."""
    region: str | None = None
    """ISO 3166 code of the country of telephone numbers without a country code."""
    address: str | None = None
    phone: str | None = None
    email: str | None = None
    website: str | None = None
    closures: tuple[Closure, ...] = ()
    """Days on which no calendar of the practice offers anything."""
    version: int = 1

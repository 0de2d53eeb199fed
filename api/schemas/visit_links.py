"""Bodies of the routes of visit links, and what they answer."""

from datetime import datetime
from typing import Final

import orjson

from actors.domain.cancel_reason import CancelReason
from actors.domain.values import value
from actors.services.availability import SlotPage
from actors.services.linked_visits import LinkedVisit
from api.schemas.fields import InstantField, OneOf, Text, Whole, WholeMinute, instant_text
from api.schemas.strict import RequestSchema

PATIENTS_REASONS: Final = (
    CancelReason.PATIENT,
    CancelReason.PATIENT_ILL,
    CancelReason.PATIENT_FEELS_BETTER,
    CancelReason.PATIENT_NO_TRANSPORT,
    CancelReason.PATIENT_MOVED_AWAY,
    CancelReason.PATIENT_CHANGED_DENTIST,
    CancelReason.OTHER,
)
"""Why patients cancel."""


@value
class VisitOpening:
    token: str


@value
class VisitTimes(VisitOpening):
    after: datetime | None = None
    """The last time of the page before."""


@value
class VisitVersion(VisitOpening):
    version: int
    """Of the visit as the page shows it."""


@value
class VisitMove(VisitVersion):
    start: datetime


@value
class VisitCancellation(VisitVersion):
    reason: CancelReason | None = None


class VisitOpeningSchema(RequestSchema[VisitOpening]):
    token = Text(required=True, max_chars=100)


class VisitTimesSchema(RequestSchema[VisitTimes]):
    token = Text(required=True, max_chars=100)
    after = InstantField()


class VisitVersionSchema(RequestSchema[VisitVersion]):
    token = Text(required=True, max_chars=100)
    version = Whole(low=1, high=2**31 - 1, required=True)


class VisitMoveSchema(RequestSchema[VisitMove]):
    token = Text(required=True, max_chars=100)
    version = Whole(low=1, high=2**31 - 1, required=True)
    start = WholeMinute(required=True)


class VisitCancellationSchema(RequestSchema[VisitCancellation]):
    token = Text(required=True, max_chars=100)
    version = Whole(low=1, high=2**31 - 1, required=True)
    reason = OneOf(PATIENTS_REASONS, allow_none=True)


VISIT_OPENING: Final = VisitOpeningSchema()
VISIT_TIMES: Final = VisitTimesSchema()
VISIT_VERSION: Final = VisitVersionSchema()
VISIT_MOVE: Final = VisitMoveSchema()
VISIT_CANCELLATION: Final = VisitCancellationSchema()


def visit_json(visit: LinkedVisit, *, includes_type: bool) -> bytes:
    row, practice, patient = visit.row, visit.practice, visit.patient
    confirmed_at, until = row.patient_confirmed_at, visit.changeable_until
    return orjson.dumps(
        {
            "start": instant_text(row.start),
            "end": instant_text(row.end),
            "time_zone": visit.time_zone,
            "status": str(row.status),
            "version": row.version,
            "patient_confirmed_at": confirmed_at and instant_text(confirmed_at),
            "can_be_confirmed": visit.can_be_confirmed,
            "changeable_until": until and instant_text(until),
            "appointment_type": visit.kind.name if includes_type else None,
            "dentist": visit.dentist.name,
            "practice": practice
            and {"name": practice.name, "address": practice.address, "phone": practice.phone},
            "patient": {
                "name": patient.name,
                "email": patient.email,
                "phone": patient.phone,
            },
        }
    )


def times_json(page: SlotPage) -> bytes:
    """Starts, and where the next page begins, if there is one."""
    starts = [instant_text(slot.start) for slot in page.slots]
    more = page.next_after and instant_text(page.next_after[0])
    return orjson.dumps({"starts": starts, "next_after": more})

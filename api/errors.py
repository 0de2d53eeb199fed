"""The one map from refusals to statuses, and the one form of every error.

REST and Socket.IO send the same object. Internal errors are logged with their stack trace,
and their cause is never sent. All codes: ``docs/protocol.md``.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import date, datetime
from types import MappingProxyType
from typing import Final

import orjson
from aiohttp import web

from actors.domain import refusals
from actors.ports.commits import OutcomeUnknown, StoreUnavailable
from api.client_faults import CODINGS, RequestTooSlow, TooManyConnections, UnknownCoding
from api.schemas.fields import instant_text

STATUS: Final[Mapping[type[refusals.Refusal], int]] = MappingProxyType(
    {
        refusals.ValidationFailed: 400,
        refusals.InvalidToken: 401,
        refusals.Forbidden: 403,
        refusals.ConsentRequired: 403,
        refusals.NotFound: 404,
        refusals.SlotTaken: 409,
        refusals.PatientConflict: 409,
        refusals.DuplicatePatient: 409,
        refusals.MergeConflict: 409,
        refusals.InvalidTransition: 409,
        refusals.MessageOutdated: 409,
        refusals.ReservationExpired: 410,
        refusals.VersionConflict: 412,
        refusals.OutsideAvailability: 422,
        refusals.TooSoon: 422,
        refusals.TooFar: 422,
        refusals.ProfileIncomplete: 422,
        refusals.TooLate: 422,
        refusals.IdempotencyMismatch: 422,
        refusals.RateLimited: 429,
        refusals.TooManyReservations: 429,
        refusals.TooManyAppointments: 429,
        refusals.CalendarBusy: 503,
        refusals.Unavailable: 503,
    }
)

HTTP: Final[Mapping[int, tuple[str, str]]] = MappingProxyType(
    {
        401: (refusals.InvalidToken.code, refusals.InvalidToken.sentence),
        403: (refusals.Forbidden.code, refusals.Forbidden.sentence),
        404: (refusals.NotFound.code, "No such resource"),
        405: ("METHOD_NOT_ALLOWED", "This resource does not have that method"),
        408: ("REQUEST_TIMEOUT", "The request did not arrive in time"),
        413: ("PAYLOAD_TOO_LARGE", "The request is too large"),
        415: ("UNSUPPORTED_MEDIA_TYPE", "The body must be application/json"),
        417: ("EXPECTATION_FAILED", "The only expectation that is met is 100-continue"),
    }
)
"""What aiohttp itself refuses, by status: the hub's code and sentence for it."""

_HOLD_WAIT_S: Final = 30.0
"""After ``TOO_MANY_RESERVATIONS``: a hold lasts minutes, so retrying each second is useless."""


@dataclass(frozen=True, kw_only=True, slots=True)
class PublicError:
    """An error as clients may see it."""

    status: int
    code: str
    message: str
    details: tuple[refusals.FieldError, ...] = ()
    retry_after_s: float | None = None
    members: Mapping[str, object] = field(default_factory=dict)
    """Of the error object, beside those that every error has."""

    @property
    def retry_after_header(self) -> str | None:
        """Whole seconds, at least one (RFC 9110 §10.2.3)."""
        return None if self.retry_after_s is None else str(max(1, math.ceil(self.retry_after_s)))


INTERNAL: Final = PublicError(
    status=500, code="INTERNAL_ERROR", message="Something went wrong inside the hub"
)
TOO_SLOW: Final = PublicError(status=408, code=HTTP[408][0], message=HTTP[408][1])
UNKNOWN_CODING: Final = PublicError(
    status=415,
    code=HTTP[415][0],
    message=f"The Content-Encoding of a body must be {' or '.join(CODINGS)}",
)
BROKEN_BODY: Final = PublicError(
    status=400, code=refusals.ValidationFailed.code, message="The body is broken"
)
NOT_HTTP: Final = PublicError(
    status=400, code=refusals.ValidationFailed.code, message="The request is not valid HTTP/1.1"
)
TOO_MANY_CONNECTIONS: Final = PublicError(
    status=503,
    code=refusals.Unavailable.code,
    message="The hub has too many connections right now",
    retry_after_s=refusals.Unavailable.retry_after_s,
)


def to_public(error: BaseException) -> PublicError:
    """The error that the client receives for an exception of any type."""
    match error:
        case StoreUnavailable() | OutcomeUnknown():
            return to_public(refusals.Unavailable())
        case refusals.Refusal():
            return PublicError(
                status=STATUS[type(error)],
                code=error.code,
                message=str(error),
                details=tuple(error.details),
                retry_after_s=_retry_after_s(error),
                members=_members(error),
            )
        case RequestTooSlow():
            return TOO_SLOW
        case web.RequestPayloadError():
            return BROKEN_BODY
        case TooManyConnections():
            return TOO_MANY_CONNECTIONS
        case UnknownCoding():
            return UNKNOWN_CODING
        case web.HTTPException() if error.status in HTTP:
            code, message = HTTP[error.status]
            return PublicError(status=error.status, code=code, message=message)
        case web.HTTPException() if 400 <= error.status < 500:
            return PublicError(
                status=400, code=refusals.ValidationFailed.code, message=error.reason
            )
        case _:
            return INTERNAL


def error_body(error: PublicError, request_id: str, now: datetime) -> dict[str, dict[str, object]]:
    """The one form of every error, on every wire (criteria 4.7, 9.2)."""
    return {
        "error": {
            "code": error.code,
            "message": error.message,
            "timestamp": instant_text(now),
            "request_id": request_id,
            "details": [
                {"field": detail.field, "message": detail.message} for detail in error.details
            ],
            **error.members,
        }
    }


def error_response(error: PublicError, request_id: str, now: datetime) -> web.Response:
    """The response with the one form, and the headers that belong to its status."""
    body = error_body(error, request_id, now)
    response = web.Response(
        status=error.status, body=orjson.dumps(body), content_type="application/json"
    )
    if error.retry_after_header:
        response.headers["Retry-After"] = error.retry_after_header
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if error is UNKNOWN_CODING:
        response.headers["Accept-Encoding"] = ", ".join(CODINGS)  # RFC 9110 §15.5.16
    return response


def _members(refusal: refusals.Refusal) -> Mapping[str, object]:
    match refusal:
        case refusals.DuplicatePatient(candidates=found):
            return {"candidates": [_shown(each) for each in found]}
        case refusals.MergeConflict(appointments=visits):
            return {"appointments": [_shown(each) for each in visits]}
        case _:
            return {}


def _shown(part: refusals.KnownPatient | refusals.OverlappingVisit) -> Mapping[str, object]:
    return {each.name: _plain(getattr(part, each.name)) for each in fields(part)}


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return instant_text(value)
    return value.isoformat() if isinstance(value, date) else value


def _retry_after_s(refusal: refusals.Refusal) -> float | None:
    match refusal:
        case refusals.RateLimited() | refusals.CalendarBusy() | refusals.Unavailable():
            return refusal.retry_after_s
        case refusals.TooManyReservations():
            return _HOLD_WAIT_S
        case _:
            return None

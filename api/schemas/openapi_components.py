"""Response schemas for the API document; nothing is loaded or dumped with them."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from marshmallow import Schema

from api.schemas import (
    appointment_types,
    consents,
    imports,
    invitations,
    messages,
    pages,
    passkeys,
    practices,
    resources,
    schedule,
    sessions,
    webhooks,
)
from api.schemas.resources import AUTHOR

Form = dict[str, Any]


RESOURCES: Final[Mapping[str, type[Schema]]] = {
    "Appointment": resources.AppointmentSchema,
    "Position": resources.PositionSchema,
    "Pagination": pages.PaginationSchema,
    "Interval": resources.IntervalSchema,
    "HistoryEntry": resources.HistoryEntrySchema,
    "Reservation": resources.ReservationSchema,
    "AppointmentType": appointment_types.AppointmentTypeSchema,
    "MessageConsent": resources.MessageConsentSchema,
    "MessageConsents": resources.MessageConsentsSchema,
    "Profile": resources.ProfileSchema,
    "Suspect": resources.SuspectSchema,
    "Survivor": resources.SurvivorSchema,
    "PublicCard": resources.PublicCardSchema,
    "LookupResult": resources.LookupResultSchema,
    "Closure": practices.ClosureSchema,
    "Practice": practices.PracticeSchema,
    "Linked": practices.LinkedSchema,
    "PracticePatient": practices.PracticePatientSchema,
    "Slot": pages.SlotSchema,
    "Availability": schedule.AvailabilitySchema,
    "WebhookProgress": webhooks.ProgressSchema,
    "ReportLine": imports.ReportLineSchema,
    "ImportReport": imports.ImportReportSchema,
    "Consent": consents.ConsentSchema,
    "Session": sessions.SessionSchema,
    "Message": messages.MessageSchema,
    "Passkey": passkeys.PasskeySchema,
    "PasskeyCeremony": passkeys.PasskeyCeremonySchema,
    "Invitation": invitations.InvitationSchema,
    "NewInvitation": invitations.NewInvitationSchema,
    "Webhook": webhooks.ShownWebhookSchema,
    "WebhookDelivery": webhooks.DeliverySchema,
    "WebhookAttempt": webhooks.AttemptSchema,
}


def ref(name: str) -> Form:
    return {"$ref": f"#/components/schemas/{name}"}


def header_ref(name: str) -> Form:
    return {"$ref": f"#/components/headers/{name}"}


def _object(**properties: Form) -> Form:
    return {"type": "object", "required": list(properties), "properties": properties}


def _list(items: Form) -> Form:
    return {"type": "array", "items": items}


def _page(items: Form) -> Form:
    return _object(data=_list(items), pagination=ref("Pagination"), position=ref("PagePosition"))


_TEXT: Final = {"type": "string"}
_ID: Final = {"type": "string", "format": "uuid"}
_NUMBER: Final = {"type": "integer"}
_INSTANT: Final = {"type": "string", "format": "date-time"}
_REPLY: Final = _object(
    text=_TEXT,
    options=_list(_object(label=_TEXT, say=_TEXT)),
    notice={"type": "boolean", "description": "Said unasked"},
)
_OF_SOME_ERRORS: Final[Form] = {
    "candidates": {
        **_list(
            _object(
                id=_ID,
                name=_TEXT,
                date_of_birth={"type": "string", "format": "date", "nullable": True},
            )
        ),
        "description": "Of DUPLICATE_PATIENT: whom the new patient may be",
    },
    "appointments": {
        **_list(_object(id=_ID, patient_id=_ID, dentist_id=_ID, start=_INSTANT, end=_INSTANT)),
        "description": "Of MERGE_CONFLICT: live appointments that overlap",
    },
}
_ERROR: Final = _object(
    code=_TEXT,
    message=_TEXT,
    timestamp=_INSTANT,
    request_id=_TEXT,
    details=_list(_object(field=_TEXT, message=_TEXT)),
)
_ERROR["properties"] |= _OF_SOME_ERRORS
_MISSED: Final = _object(
    recovered={"type": "boolean"},
    events=_list(ref("Event")),
    more={"type": "boolean"},
    epoch=_NUMBER,
    offset=_NUMBER,
)

_EVENT: Final = _object(
    id={"type": "string", "format": "uuid"},
    type={"type": "string", "example": "appointment.created"},
    channel=_TEXT,
    offset=_NUMBER,
    epoch=_NUMBER,
    time=_INSTANT,
    data={
        "type": "object",
        "additionalProperties": True,
        "description": "The resource as REST shows it",
    },
)
_EVENT["properties"]["by"] = AUTHOR

HEADERS: Final[Mapping[str, Form]] = {
    "X-Request-ID": {"description": "The request's id, as in the hub's log", "schema": _TEXT},
    "ETag": {"description": "For `If-Match` or `If-None-Match`", "schema": _TEXT},
    "Location": {"description": "The path of what was created", "schema": _TEXT},
    "Retry-After": {"description": "Seconds to wait, at least", "schema": _NUMBER},
    "WWW-Authenticate": {"description": "`Bearer`", "schema": _TEXT},
}

OPTIONAL: Final[Mapping[str, Sequence[str]]] = {
    "Appointment": ("expires_at",),
    "Availability": ("slots", "position", "affected_appointments"),
    "Webhook": ("secret",),
}
"""Members of resources that some responses do not have."""

FORMS: Final[Mapping[str, Form]] = {
    "PagePosition": {
        **_object(channel=_TEXT, epoch=_NUMBER, offset=_NUMBER),
        "nullable": True,
        "description": "What the page is true for; null for directories",
    },
    "AppointmentPage": _object(
        data=_list(ref("Appointment")),
        pagination=ref("Pagination"),
        position=ref("PagePosition"),
        positions=_list(ref("Position")),
    ),
    "MessagePage": _page(ref("Message")),
    "WebhookPage": _page(ref("Webhook")),
    "Passkeys": _object(data=_list(ref("Passkey"))),
    "InvitationPage": _page(ref("Invitation")),
    "Sessions": _object(data=_list(ref("Session"))),
    "Consents": _object(data=_list(ref("Consent")), assumed={"type": "boolean"}),
    "PracticePage": _page(ref("Practice")),
    "Suspects": _object(data=_list(ref("Suspect"))),
    "DisabledWebhooks": _object(disabled=_NUMBER),
    "WebhookDeliveries": _object(data=_list(ref("WebhookDelivery"))),
    "AppointmentHistory": _object(data=_list(ref("HistoryEntry"))),
    "DentistPage": _page(ref("PublicCard")),
    "PatientPage": _page(ref("Profile")),
    "AppointmentTypePage": _page(ref("AppointmentType")),
    "ProfileOrCard": {"anyOf": [ref("Survivor"), ref("Profile"), ref("PublicCard")]},
    "SlotPage": _object(
        data=_list(ref("Slot")), pagination=ref("Pagination"), positions=_list(ref("Position"))
    ),
    "Event": _EVENT,
    "Changes": _object(channels={"type": "object", "additionalProperties": _MISSED}),
    "ChatAnswer": _object(
        replies=_list(_REPLY),
        state={"type": "string", "description": "To be sent with the next message"},
        watch={
            **_list(_TEXT),
            "description": "Channels whose events are to be told, beside one's own",
        },
    ),
    "Error": _object(error=_ERROR),
}


def error_example(code: str) -> Form:
    return {
        "error": {
            "code": code,
            "message": "What is wrong, in one sentence for a person",
            "timestamp": "2027-03-08T09:00:00.123456Z",
            "request_id": "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f",
            "details": [],
        }
    }

"""The seven tools: names, descriptions and argument schemas, as an AI sees them.

What cannot be undone requires the patient's consent. A client that can ask its user (elicitation)
does; any other client gets the question and a confirmation to pass back.
"""

import re
from collections.abc import Awaitable, Callable
from datetime import date, datetime, time
from typing import Annotated, Any, Final, Literal, TypeVar

from mcp.server.elicitation import AcceptedElicitation, ElicitationResult
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.resolve import Elicit, Resolve
from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field

from chairside.client import ClientError, canonical_id
from chairside.mcp import results
from chairside.mcp.patient_tools import PatientTools, Proposal

_ID: Final = r"^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
Id = Annotated[str, Field(pattern=_ID), AfterValidator(canonical_id)]
DentistId = Annotated[Id, Field(description="From list_dentists or find_slots.")]
OtherDentistId = Annotated[
    str,
    Field(
        pattern=f"^$|{_ID}",
        description="Only if the appointment moves to another dentist: from find_slots.",
    ),
    AfterValidator(canonical_id),
]
TypeId = Annotated[Id, Field(description="From list_dentists.")]
ReservationId = Annotated[Id, Field(description="From hold_slot.")]
AppointmentId = Annotated[Id, Field(description="From my_appointments.")]
DateT = TypeVar("DateT", bound=date)

_DATE_FIRST: Final = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
YEARS: Final = range(1970, 2200)
"""Those that a hub knows. Dates outside are typing errors, and arithmetic on them may fail."""


def _text(value: object) -> object:
    """Dates are text: pydantic would also take numbers, as seconds since 1970."""
    if not isinstance(value, str) or not _DATE_FIRST.match(value):
        raise ValueError("must be a date or an instant in ISO 8601, as text")
    return value


def _near(value: DateT) -> DateT:
    if value.year not in YEARS:
        raise ValueError(f"the year must be between {YEARS[0]} and {YEARS[-1]}")
    return value


_DATE: Final = (BeforeValidator(_text), AfterValidator(_near))
Day = Annotated[date, *_DATE]
Start = Annotated[
    AwareDatetime,
    *_DATE,
    Field(description="A start as find_slots returned it, e.g. 2027-03-16T14:00:00Z."),
]
# Optional texts are ``str`` with an empty default: of ``str | None`` the library would read a
# text like "[1]" as JSON. Null is left out before (arguments.py).
Confirmation = Annotated[
    str,
    Field(
        max_length=2_000,
        description="Omit at first. After the patient said yes to the question: the"
        " confirmation that came with it.",
    ),
]
Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Reason = Annotated[
    Literal[
        "patient",
        "patient_ill",
        "patient_feels_better",
        "patient_no_transport",
        "patient_moved_away",
        "patient_changed_dentist",
        "weather",
        "other",
    ]
    | None,
    Field(description="Only if the patient gave one of these reasons."),
]
Notes = Annotated[
    str,
    Field(max_length=2_000, description="A note from the patient to the practice, if any."),
]


ToolsOf = Callable[[Context[Any, Any]], PatientTools]
"""The tools of the patient whose request it is; the lifespan state of the server."""
ToolContext = Context[ToolsOf, Any]


class ConsentAnswer(BaseModel):
    """The form that a client shows to the patient."""

    confirm: bool = Field(description="Yes, do it")


class NotAsked(ConsentAnswer):
    """The client cannot ask the patient, or has a confirmation already."""

    confirm: bool = False


Consent = ElicitationResult[ConsentAnswer]


def _tools(context: ToolContext) -> PatientTools:
    return context.request_context.lifespan_context(context)


# --- reading ------------------------------------------------------------------------------


async def list_dentists(context: ToolContext) -> results.DirectoryResult:
    """All dentists and appointment types that can be booked, with their durations and the ids
    that the other tools take. Call it first."""
    return await _tools(context).directory()


async def find_slots(
    appointment_type_id: TypeId,
    context: ToolContext,
    from_date: Annotated[Day, Field(description="First day, on the dentist's calendar.")],
    to_date: Annotated[Day, Field(description="Last day, included; at most 60 days later.")],
    dentist_ids: Annotated[
        list[Id], Field(max_length=20, description="Only these; empty: every dentist.")
    ] = [],  # noqa: B006  # pydantic copies it
    time_from: Annotated[
        Clock | None, Field(description="Not earlier in the day, HH:MM, the dentist's time.")
    ] = None,
    time_to: Annotated[
        Clock | None, Field(description="Starts before it, HH:MM, the dentist's time.")
    ] = None,
    limit: Annotated[int, Field(ge=1, le=50, strict=True)] = 10,
) -> results.SlotsResult:
    """Free times, the earliest first. Only these can be held and booked. Other patients may take
    them at any moment until you hold one."""
    return await _tools(context).find_slots(
        appointment_type_id=appointment_type_id,
        first=from_date,
        last=to_date,
        dentist_ids=dentist_ids,
        time_from=time.fromisoformat(time_from) if time_from else None,
        time_to=time.fromisoformat(time_to) if time_to else None,
        limit=limit,
    )


async def my_appointments(
    context: ToolContext,
    include_past: Annotated[
        bool, Field(strict=True, description="Also past and cancelled ones, the latest first.")
    ] = False,
) -> results.AppointmentsResult:
    """The patient's upcoming confirmed appointments, the next one first, at most 50."""
    return await _tools(context).appointments(include_past=include_past)


# --- holding ------------------------------------------------------------------------------


async def hold_slot(
    dentist_id: DentistId, appointment_type_id: TypeId, start: Start, context: ToolContext
) -> results.HoldResult:
    """Keep a free time for the patient for a few minutes, so that nobody else can take it while
    they decide. It books nothing and expires by itself; a new hold at the same time replaces the
    old one."""
    return await _tools(context).hold(
        dentist_id=dentist_id, appointment_type_id=appointment_type_id, start=start
    )


# --- changing -----------------------------------------------------------------------------


async def consent_to_booking(
    reservation_id: str, notes: str, confirmation: str, context: ToolContext
) -> ConsentAnswer | Elicit[ConsentAnswer]:
    return await _consent(
        context, confirmation, lambda tools: tools.propose_booking(reservation_id, notes or None)
    )


async def book_appointment(
    reservation_id: ReservationId,
    answer: Annotated[Consent, Resolve(consent_to_booking)],
    context: ToolContext,
    notes: Notes = "",
    confirmation: Confirmation = "",
) -> results.ChangeResult:
    """Book the time that hold_slot holds, once the patient agrees."""
    tools = _tools(context)
    proposal = await tools.propose_booking(reservation_id, notes or None)
    return await tools.settle(
        proposal, consents=_consents(answer), confirmation=confirmation or None
    )


async def consent_to_move(
    appointment_id: str,
    start: datetime,
    dentist_id: str,
    confirmation: str,
    context: ToolContext,
) -> ConsentAnswer | Elicit[ConsentAnswer]:
    return await _consent(
        context,
        confirmation,
        lambda tools: tools.propose_move(appointment_id, start, dentist_id or None),
    )


async def reschedule_appointment(
    appointment_id: AppointmentId,
    start: Start,
    answer: Annotated[Consent, Resolve(consent_to_move)],
    context: ToolContext,
    dentist_id: OtherDentistId = "",
    confirmation: Confirmation = "",
) -> results.ChangeResult:
    """Move an appointment to another free time of the same type (find_slots), with its dentist or
    another one, once the patient agrees. If that time is taken, it stays where it is."""
    tools = _tools(context)
    proposal = await tools.propose_move(appointment_id, start, dentist_id or None)
    return await tools.settle(
        proposal, consents=_consents(answer), confirmation=confirmation or None
    )


async def consent_to_cancellation(
    appointment_id: str, reason: str | None, confirmation: str, context: ToolContext
) -> ConsentAnswer | Elicit[ConsentAnswer]:
    return await _consent(
        context, confirmation, lambda tools: tools.propose_cancellation(appointment_id, reason)
    )


async def cancel_appointment(
    appointment_id: AppointmentId,
    answer: Annotated[Consent, Resolve(consent_to_cancellation)],
    context: ToolContext,
    reason: Reason = None,
    confirmation: Confirmation = "",
) -> results.ChangeResult:
    """Cancel an appointment, once the patient agrees. To come at another time instead, use
    reschedule_appointment."""
    tools = _tools(context)
    proposal = await tools.propose_cancellation(appointment_id, reason)
    return await tools.settle(
        proposal, consents=_consents(answer), confirmation=confirmation or None
    )


async def _consent(
    context: ToolContext,
    confirmation: str,
    propose: Callable[[PatientTools], Awaitable[Proposal | results.ChangeResult]],
) -> ConsentAnswer | Elicit[ConsentAnswer]:
    """Let the client ask the patient, if it can and there is no confirmation yet."""
    capabilities = context.client_capabilities
    if confirmation or capabilities is None or capabilities.elicitation is None:
        return NotAsked()
    try:
        proposal = await propose(_tools(context))
    except (results.ToolRefused, ClientError):
        return NotAsked()  # the tool itself is then refused with the reason
    if isinstance(proposal, results.ChangeResult):
        return NotAsked()
    return Elicit(proposal.question, ConsentAnswer)


def _consents(answer: Consent) -> bool | None:
    """The patient's answer to the client; ``None`` if the client did not ask."""
    if not isinstance(answer, AcceptedElicitation):
        return False
    return None if isinstance(answer.data, NotAsked) else answer.data.confirm

"""How each route is called in the matrix, by method and path and what it is called on.

A route without an entry here, or without rows in docs/authorization.md, fails the tests.
"""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, Final
from uuid import uuid4

from aiohttp import web

from api.middleware import OPENAPI_PATH
from api.rest.route import Routes
from tests.acceptance.authorization.callers import UNKNOWN, World
from tests.support.clinic import schedule


@dataclass(frozen=True, kw_only=True, slots=True)
class Sent:
    """A request; ``shows`` is what its answer may contain for some callers only."""

    path: str = ""
    """Empty: the path of the route itself."""
    body: Any = None
    raw: bytes | None = None
    """A body that is no JSON."""
    query: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    shows: str = ""


Build = Callable[[World], Awaitable[Sent]]


def _of(path: str, id_: str, **more: Any) -> Sent:
    before, _, rest = path.partition("{")
    return Sent(path=f"{before}{id_}{rest.partition('}')[2]}", **more)


def _on(path: str, thing: str, *, fresh: bool = False, **more: Any) -> Build:
    """On P's appointment, hold …: ``fresh`` if the call changes it."""

    async def build(world: World) -> Sent:
        found = await (getattr(world, thing)() if fresh else world.kept(thing))
        return _of(path, found["id"], **more)

    return build


def _to(path: str, id_of: Callable[[World], str], **more: Any) -> Build:
    async def build(world: World) -> Sent:
        return _of(path, id_of(world), **more)

    return build


def _unknown(path: str, **more: Any) -> Build:
    return _to(path, lambda _: UNKNOWN, **more)


def _hook(path: str, owner: str, *, ends: bool = False, **more: Any) -> Build:
    async def build(world: World) -> Sent:
        return _of(path, (await world.kept_webhook(owner, may_be_gone=ends))["id"], **more)

    return build


def _hooks(path: str, **more: Any) -> dict[str, Build]:
    return {
        "bot→P's": _hook(path, "bot→P", **more),
        "bot's": _hook(path, "bot", **more),
        "admin's": _hook(path, "admin", **more),
        "unknown": _unknown(
            path, **{name: value for name, value in more.items() if name != "ends"}
        ),
    }


async def _inviting(**body: str) -> Sent:
    return Sent(body=body)


async def _asking(**query: str) -> Sent:
    return Sent(query=query)


async def _plain(_: World) -> Sent:
    return Sent()


async def _list_appointments(world: World) -> Sent:
    return Sent(shows=(await world.kept("appointment"))["id"])


async def _of_p(world: World) -> Sent:
    made = await world.kept("appointment")
    return Sent(query={"patient_id": world.p.id}, shows=made["id"])


async def _of_d(world: World) -> Sent:
    made = await world.kept("appointment")
    return Sent(query={"dentist_id": world.d.id}, shows=made["id"])


async def _book_slot(world: World) -> Sent:
    return Sent(body=world.slot())


async def _book_for_p(world: World) -> Sent:
    return Sent(body={**world.slot(), "patient_id": world.p.id})


async def _book_unknown(world: World) -> Sent:
    return Sent(body=world.slot(UNKNOWN))


async def _book_hold(world: World) -> Sent:
    return Sent(body={"reservation_id": (await world.reservation())["id"]})


async def _book_unknown_hold(_: World) -> Sent:
    return Sent(body={"reservation_id": UNKNOWN})


def _slots(id_of: Callable[[World], str], **more: str) -> Build:
    async def build(world: World) -> Sent:
        return Sent(query={**world.clinic.day_of(world.d), "dentist_id": id_of(world), **more})

    return build


def _people(text: Callable[[World], str]) -> Build:
    async def build(world: World) -> Sent:
        await world.kept("appointment")
        return Sent(query={"q": text(world)}, shows=world.p.id)

    return build


def _new(role: str, **more: str) -> Build:
    async def build(_: World) -> Sent:
        return Sent(body={"role": role, "name": "Somebody New", **more})

    return build


def _employee(role: str) -> Build:
    async def build(world: World) -> Sent:
        return Sent(body={"role": role, "name": "Somebody New", "practice_id": world.practice})

    return build


async def _to_colleague(world: World) -> Sent:
    visit = await world.appointment()
    return Sent(path=f"/api/appointments/{visit['id']}", body=world.place_at_colleague())


async def _unknown_to_colleague(world: World) -> Sent:
    return Sent(path=f"/api/appointments/{UNKNOWN}", body=world.place_at_colleague())


async def _affected(world: World) -> Sent:
    """P's visit at D outside of hours."""
    visit = await world.kept("late_visit")
    return Sent(path=f"/api/availability/{world.d.id}/affected", shows=visit["id"])


async def _link(world: World) -> Sent:
    someone = await world.person(email=f"{uuid4()}@example.org")
    for each in (world.d, world.clinic.staff[0]):
        await world.clinic.looked_up(world.clinic.api(each), someone["id"])
    return Sent(
        path=f"/api/practices/{world.practice}/patients", body={"patient_id": someone["id"]}
    )


async def _like_p(world: World) -> Sent:
    """With P's telephone number, who is shown; D2's practice has no such patient before."""
    await world.kept("appointment")
    body = {"role": "patient", "name": "Somebody New", "phone": "+1 555 0100"}
    return Sent(body=body, shows=world.p.id)


async def _duplicates(world: World) -> Sent:
    """Another record of P, whom D has seen."""
    await world.kept("appointment")
    double = await world.kept("double")
    return Sent(path=f"/api/patients/{world.p.id}/duplicates", shows=double["id"])


async def _merge(world: World) -> Sent:
    one, other = await world.patient_of_a(), await world.patient_of_a()
    return Sent(path=f"/api/patients/{one['id']}/merge", body={"into": other["id"]})


def _look_up(born: str) -> Build:
    async def build(world: World) -> Sent:
        body = {"date_of_birth": "1980-03-08"}
        saved = await world.clinic.admin.put(f"/api/profiles/{world.p.id}", body)
        assert saved.status == 200
        body = {"email": "patient-0@example.org", "date_of_birth": born}
        return Sent(body=body, shows=world.p.id)

    return build


def _kept(patient: str | None = None, body: Any = None) -> Build:
    async def build(world: World) -> Sent:
        await world.kept("appointment")
        who = patient or world.p.id
        path = f"/api/practices/{world.practice}/patients/{who}"
        return Sent(path=path, body=body, shows=who)

    return build


def _changes(channel: Callable[[World], str]) -> Build:
    async def build(world: World) -> Sent:
        return Sent(query={"channel": channel(world), "since": "now"})

    return build


async def _new_consent(world: World) -> Sent:
    return Sent(body={"party": f"chatbot:{uuid4()}", "patient_id": world.p.id})


async def _listed_consent(world: World) -> Sent:
    found = await world.kept("consent")
    return Sent(query={"patient_id": world.p.id}, shows=found["id"])


async def _messages_of_p(world: World) -> Sent:
    found = await world.kept("message")
    return Sent(query={"appointment_id": found["appointment_id"]}, shows=found["id"])


async def _consents_of(patient_id: str) -> Sent:
    return Sent(query={"patient_id": patient_id})


async def _new_webhook(world: World) -> Sent:
    return Sent(body={"url": world.receiver.url, "channels": ["availability:all"]})


async def _own_webhook(world: World) -> Sent:
    return Sent(body={"url": world.receiver.url})


async def _chat(_: World) -> Sent:
    return Sent(body={"message": "hello"})


async def _me(_: World) -> Sent:
    return Sent(body={"time_zone": "Europe/Vienna"})


async def _file(_: World) -> Sent:
    return Sent(raw=b"Name\nSomebody New\n", headers={"Content-Type": "text/csv"})


async def _exported(_: World) -> Sent:
    return Sent(shows="patient-0@example.org")


_APPOINTMENT = "/api/appointments/{id}"
_RESERVATION = "/api/reservations/{id}"
_AVAILABILITY = "/api/availability/{dentistId}"
_TYPE = "/api/appointment-types/{id}"
_PROFILE = "/api/profiles/{id}"
_PATIENT = "/api/patients/{id}"
_CALENDAR_FILE = f"{_APPOINTMENT}/calendar.ics"
_RESEND = "/api/messages/{id}/resend"
_CONSENT = "/api/consents/{id}"
_WEBHOOK = "/api/webhooks/{id}"
_PARTY = "chatbot:clinic-chatbot"
_PRACTICE = "/api/practices/{id}"
_KEPT = f"{_PRACTICE}/patients/{{patientId}}"
_NEW_PRACTICE = {"name": "New practice", "time_zone": "UTC"}
_LONG_AGO = {"start_date": "2020-12-24", "end_date": "2020-12-26", "reason": None}
_NEW_TYPE = {"name": "Whitening", "duration_minutes": 20}

REST: Final[Mapping[str, Mapping[str, Build]]] = {
    "POST /api/appointments": {
        "a slot at D": _book_slot,
        "a slot at D for P": _book_for_p,
        "a slot at unknown": _book_unknown,
        "P's hold": _book_hold,
        "unknown hold": _book_unknown_hold,
    },
    "GET /api/appointments": {
        "P's at D": _list_appointments,
        "filtered by P": _of_p,
        "filtered by D": _of_d,
    },
    f"GET {_APPOINTMENT}": {
        "P's at D": _on(_APPOINTMENT, "appointment"),
        "unknown": _unknown(_APPOINTMENT),
    },
    f"GET {_APPOINTMENT}/history": {
        "P's at D": _on(f"{_APPOINTMENT}/history", "appointment"),
        "unknown": _unknown(f"{_APPOINTMENT}/history"),
    },
    f"PUT {_APPOINTMENT}": {
        "P's at D": _on(_APPOINTMENT, "appointment", body={"notes": "another note"}),
        "unknown": _unknown(_APPOINTMENT, body={"notes": "another note"}),
        "P's at D: status": _on(
            _APPOINTMENT, "appointment", fresh=True, body={"status": "cancelled"}
        ),
        "to a colleague: P's at D": _to_colleague,
        "to a colleague: unknown": _unknown_to_colleague,
    },
    f"DELETE {_APPOINTMENT}": {
        "P's at D": _on(_APPOINTMENT, "appointment", fresh=True),
        "unknown": _unknown(_APPOINTMENT),
    },
    "POST /api/reservations": {"a slot at D": _book_slot, "a slot at unknown": _book_unknown},
    f"GET {_RESERVATION}": {
        "P's at D": _on(_RESERVATION, "reservation"),
        "unknown": _unknown(_RESERVATION),
    },
    f"DELETE {_RESERVATION}": {
        "P's at D": _on(_RESERVATION, "reservation", fresh=True),
        "unknown": _unknown(_RESERVATION),
    },
    f"GET {_AVAILABILITY}": {
        "D's": _to(_AVAILABILITY, lambda world: world.d.id),
        "P": _to(_AVAILABILITY, lambda world: world.p.id),
        "unknown": _unknown(_AVAILABILITY),
    },
    f"PUT {_AVAILABILITY}": {
        "D's": _to(_AVAILABILITY, lambda world: world.d.id, body=schedule()),
        "P": _to(_AVAILABILITY, lambda world: world.p.id, body=schedule()),
        "unknown": _unknown(_AVAILABILITY, body=schedule()),
    },
    f"GET {_AVAILABILITY}/affected": {
        "D's": _affected,
        "unknown": _unknown(f"{_AVAILABILITY}/affected"),
    },
    "GET /api/slots": {
        "D's": _slots(lambda world: world.d.id),
        "D's, as staff": _slots(lambda world: world.d.id, **{"as": "staff"}),
        "unknown": _slots(lambda _: UNKNOWN),
    },
    "GET /api/profiles/me": {"own": _plain},
    "PUT /api/profiles/me": {"own": _me},
    f"GET {_PROFILE}": {
        "P": _to(_PROFILE, lambda world: world.p.id, shows="patient-0@example.org"),
        "D": _to(_PROFILE, lambda world: world.d.id, shows="dentist-0@example.org"),
        "S": _to(_PROFILE, lambda world: world.s.id, shows="staff-0@example.org"),
        "unknown": _unknown(_PROFILE),
    },
    "POST /api/profiles": {
        "a patient": _new("patient"),
        "a patient like P, and then like D2's": _like_p,
        "a patient with a subject": _new("patient", subject="new-subject"),
        "a dentist": _employee("dentist"),
        "staff": _employee("staff"),
        "staff of no practice": _new("staff"),
    },
    f"PUT {_PROFILE}": {
        "P": _to(_PROFILE, lambda world: world.p.id, body={"phone": "+1 555 0100"}),
        "a dentist": _on(_PROFILE, "employee", body={"name": "Dr Renamed"}),
        "S": _to(_PROFILE, lambda world: world.s.id, body={"name": "Staff 0"}),
        "unknown": _unknown(_PROFILE, body={"name": "Renamed"}),
    },
    f"DELETE {_PROFILE}/connections": {
        "a patient": _on(f"{_PROFILE}/connections", "person"),
        "unknown": _unknown(f"{_PROFILE}/connections"),
    },
    "GET /api/dentists": {"all": _plain},
    "GET /api/practices": {"all": _plain},
    f"GET {_PRACTICE}": {
        "D's": _to(_PRACTICE, lambda world: world.practice),
        "unknown": _unknown(_PRACTICE),
    },
    "POST /api/practices": {"new": lambda _: _sent(_NEW_PRACTICE)},
    f"PUT {_PRACTICE}": {
        "D's: closures": _to(
            _PRACTICE, lambda world: world.practice, body={"closures": [_LONG_AGO]}
        ),
        "D's: name": _to(_PRACTICE, lambda world: world.practice, body={"name": "Another"}),
        "unknown": _unknown(_PRACTICE, body={"closures": []}),
    },
    f"POST {_PRACTICE}/patients": {
        "D's, someone": _link,
        "D's, unknown": _to(
            f"{_PRACTICE}/patients",
            lambda world: world.practice,
            body={"patient_id": UNKNOWN},
        ),
        "unknown": _unknown(f"{_PRACTICE}/patients", body={"patient_id": UNKNOWN}),
    },
    f"GET {_KEPT}": {"P, at D's": _kept(), "unknown": _kept(UNKNOWN)},
    f"PUT {_KEPT}": {
        "P, at D's": _kept(body={"remark": "Prefers mornings"}),
        "unknown": _kept(UNKNOWN, body={"remark": "Prefers mornings"}),
    },
    "GET /api/patients": {
        "P by name": _people(lambda world: world.p.name),
        "P by e-mail": _people(lambda _: "patient-0@example.org"),
        "P by telephone": _people(lambda _: "+1 555 0100"),
    },
    f"GET {_PATIENT}/duplicates": {
        "P": _duplicates,
        "unknown": _unknown(f"{_PATIENT}/duplicates"),
    },
    f"POST {_PATIENT}/merge": {
        "someone of A": _merge,
        "unknown": _unknown(f"{_PATIENT}/merge", body={"into": UNKNOWN}),
    },
    "POST /api/imports": {"a file": _file},
    "GET /api/exports": {"P": _exported},
    "POST /api/patients/lookup": {
        "P": _look_up("1980-03-08"),
        "P, another date of birth": _look_up("1980-03-09"),
    },
    "GET /api/appointment-types": {"all": _plain},
    "POST /api/appointment-types": {"new": lambda _: _sent(_NEW_TYPE)},
    f"PUT {_TYPE}": {
        "the clinic's": _to(_TYPE, lambda world: world.clinic.types["surgery"], body=_NEW_TYPE),
        "unknown": _unknown(_TYPE, body=_NEW_TYPE),
    },
    "GET /api/changes": {"public": _changes(lambda _: "availability:all")},
    "GET /api/invitations": {"all": _plain},
    "POST /api/invitations": {
        "P": lambda world: _inviting(profile_id=world.p.id),
        "D": lambda world: _inviting(profile_id=world.d.id),
        "an admin": lambda _: _inviting(name="New admin"),
        "unknown": lambda _: _inviting(profile_id=UNKNOWN),
    },
    "DELETE /api/invitations/{id}": {
        "P's": _on("/api/invitations/{id}", "invitation", fresh=True),
        "unknown": _unknown("/api/invitations/{id}"),
    },
    "GET /api/passkeys": {"own": _plain},
    "POST /api/passkeys/options": {"own": _plain},
    "POST /api/passkeys": {"own": lambda _: _sent({"ceremony": "x", "credential": {}})},
    "DELETE /api/passkeys/{id}": {"unknown": _unknown("/api/passkeys/{id}")},
    "GET /api/sessions": {
        "own": lambda _: _asking(),
        "P's": lambda world: _asking(profile_id=world.p.id),
        "unknown": lambda _: _asking(profile_id=UNKNOWN),
    },
    "DELETE /api/sessions/{id}": {"unknown": _unknown("/api/sessions/{id}")},
    f"DELETE {_PROFILE}/sessions": {
        "a patient": _on(f"{_PROFILE}/sessions", "person"),
        "unknown": _unknown(f"{_PROFILE}/sessions"),
    },
    "GET /api/consents": {"P's": _listed_consent, "unknown": lambda _: _consents_of(UNKNOWN)},
    "POST /api/consents": {"for P": _new_consent},
    f"DELETE {_CONSENT}": {
        "P's": _on(_CONSENT, "consent", fresh=True),
        "unknown": _unknown(_CONSENT),
    },
    "DELETE /api/appointments/{id}/links": {
        "P's at D": _on("/api/appointments/{id}/links", "appointment", fresh=True),
        "unknown": _unknown("/api/appointments/{id}/links"),
    },
    "GET /api/messages": {"of P's at D": _messages_of_p},
    f"POST {_RESEND}": {"P's at D": _on(_RESEND, "message"), "unknown": _unknown(_RESEND)},
    f"GET {_CALENDAR_FILE}": {
        "P's at D": _on(_CALENDAR_FILE, "appointment"),
        "unknown": _unknown(_CALENDAR_FILE),
    },
    "GET /api/webhooks": {
        "bot→P's": lambda world: _listed_hook(world, {}),
        "bot→P's, of all": lambda world: _listed_hook(world, {"all": "true"}),
        "bot→P's, of its party": lambda world: _listed_hook(world, {"party": _PARTY}),
    },
    "POST /api/webhooks/disable": {
        "a party": lambda _: _sent({"party": "chatbot:nobody", "patient_id": UNKNOWN})
    },
    "POST /api/webhooks": {"public channel": _new_webhook, "own channels": _own_webhook},
    f"GET {_WEBHOOK}": _hooks(_WEBHOOK),
    f"PUT {_WEBHOOK}": _hooks(_WEBHOOK, body={"description": "another"}),
    f"GET {_WEBHOOK}/deliveries": _hooks(f"{_WEBHOOK}/deliveries"),
    f"POST {_WEBHOOK}/ping": _hooks(f"{_WEBHOOK}/ping"),
    f"POST {_WEBHOOK}/replay": _hooks(
        f"{_WEBHOOK}/replay", body={"channel": "profiles:nobody", "since": "1.0"}
    ),
    f"POST {_WEBHOOK}/rotate-secret": _hooks(f"{_WEBHOOK}/rotate-secret", body={}),
    f"DELETE {_WEBHOOK}": _hooks(_WEBHOOK, ends=True),
    "POST /api/chat": {"own": _chat},
}
"""By route, and what it is called on."""


async def _sent(body: Any) -> Sent:
    return Sent(body=body)


async def _listed_hook(world: World, query: Mapping[str, str]) -> Sent:
    return Sent(query=query, shows=(await world.kept_webhook("bot→P"))["id"])


def rest_routes(routes: Mapping[str, Routes]) -> set[str]:
    """Every method and path under /api, from the route table."""
    return {
        f"{each.route.method} {each.route.path}" for each in chain.from_iterable(routes.values())
    }


def open_routes(app: web.Application) -> set[str]:
    """Every other method and path of the application: pages, health, sockets."""
    found = set()
    for route in app.router.routes():
        path = route.resource.canonical if route.resource else "?"
        if route.method != "HEAD" and (not path.startswith("/api/") or path == OPENAPI_PATH):
            found.add(f"{route.method} {path}")
    return found


FILES: Final[Mapping[str, str]] = {"/docs/{file}": "swagger-ui.css", "/pages/{file}": "icon.svg"}
"""A file of each folder; of other paths with a name in them, one that does not exist."""


def open_request(route: str) -> tuple[str, str]:
    """Method and path of a call of a route that is not of the API."""
    method, _, path = route.partition(" ")
    file = FILES.get(path, "nothing")
    return ("GET" if method == "*" else method), re.sub(r"\{[^}]+\}", file, path)

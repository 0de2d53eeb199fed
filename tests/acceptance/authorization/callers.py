"""The kinds of callers, and the things they call: one clinic with two of everyone."""

import itertools
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import uuid4

from tests.support.api import Answer, Api
from tests.support.clinic import ADMIN, CHATBOT, Clinic, Person
from tests.support.database import OnPostgres, execute
from tests.support.receiver import Receiver
from tests.support.tokens import token

UNKNOWN: Final = "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f"
"""An id that nothing has."""
NOTE: Final = "a note between P and D"
_CODES: Final = {
    400: "VALIDATION_ERROR",
    401: "UNAUTHORIZED",
    403: "FORBIDDEN",
    404: "NOT_FOUND",
}
"""A cell names the code only where the status does not imply it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Bearer:
    token: str | None
    on_behalf_of: str | None = None
    namespace: str = ""
    """Of Socket.IO; empty: no token has one."""

    @property
    def socket_auth(self) -> dict[str, str]:
        auth = {"token": self.token or ""}
        return auth if self.on_behalf_of is None else {**auth, "on_behalf_of": self.on_behalf_of}

    @property
    def headers(self) -> dict[str, str]:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return headers | ({"On-Behalf-Of": self.on_behalf_of} if self.on_behalf_of else {})


def named(status: int, code: str | None) -> str:
    """The outcome as the page writes it."""
    return str(status) if code is None or _CODES.get(status) == code else f"{status} {code}"


@dataclass(eq=False)
class World:
    """P has an appointment and a hold at D, whose practice has the desk S.

    P2, D2 and the desk of D2's practice, S2, have nothing to do with either.
    """

    clinic: Clinic
    receiver: Receiver
    _numbers: "itertools.count[int]" = field(default_factory=itertools.count)
    _kept: dict[str, Any] = field(default_factory=dict)

    @property
    def p(self) -> Person:
        return self.clinic.patients[0]

    @property
    def p2(self) -> Person:
        return self.clinic.patients[1]

    @property
    def d(self) -> Person:
        return self.clinic.dentists[0]

    @property
    def d2(self) -> Person:
        return self.clinic.dentists[2]

    @property
    def s(self) -> Person:
        return self.clinic.staff[0]

    @property
    def kind(self) -> str:
        return self.clinic.types["check-up"]

    def bearers(self) -> Mapping[str, Bearer]:
        """By the names of the columns."""
        people = {"P": self.p, "P2": self.p2, "D": self.d, "D2": self.d2}
        people |= {"S": self.clinic.staff[0], "S2": self.clinic.staff[1]}
        return {
            "none": Bearer(token=None),
            "bad": next(self._bad),
            **{
                name: Bearer(token=who.token, namespace=f"/{who.role}")
                for name, who in people.items()
            },
            "admin": Bearer(token=ADMIN, namespace="/admin"),
            "bot": Bearer(token=CHATBOT, namespace="/chatbot"),
            "bot→P": Bearer(token=CHATBOT, on_behalf_of=self.p.id, namespace="/chatbot"),
            "bot→P2": Bearer(token=CHATBOT, on_behalf_of=self.p2.id, namespace="/chatbot"),
            "bot→?": Bearer(token=CHATBOT, on_behalf_of=UNKNOWN, namespace="/chatbot"),
            "act P": Bearer(
                token=token("patient", "patient-0", act={"sub": "bot-9"}), namespace="/chatbot"
            ),
        }

    @property
    def _bad(self) -> "itertools.cycle[Bearer]":
        """Expired, of another key, unsigned, of no role, and no token at all, in turn."""
        if "bad" not in self._kept:
            self._kept["bad"] = itertools.cycle(
                Bearer(token=text)
                for text in (
                    token("patient", "patient-0", ttl_s=-60),
                    token("admin", "clinic-admin", secret="another secret, also long enough!" * 2),
                    token("dentist", "dentist-0", nbf=time.time() + 3_600),
                    token("system", "system"),
                    token(None, "patient-0"),
                    "nonsense",
                )
            )
        found: itertools.cycle[Bearer] = self._kept["bad"]
        return found

    def api(self, bearer: Bearer) -> Api:
        return self.clinic.with_token(bearer.token, on_behalf_of=bearer.on_behalf_of)

    @property
    def practice(self) -> str:
        """D's."""
        return self.clinic.practices[0]

    # --- what is called; each call gets a fresh one where it changes something ----------

    def start(self) -> str:
        """A free time at D: each is used once."""
        days, slot = divmod(next(self._numbers), 18)
        hour, half = divmod(slot, 2)
        return self.clinic.at(f"{8 + hour:02}:{30 * half:02}", days=3 + days)

    def slot(self, dentist: str | None = None) -> dict[str, str]:
        return {
            "dentist_id": dentist or self.d.id,
            "appointment_type_id": self.kind,
            "start": self.start(),
        }

    def place_at_colleague(self) -> dict[str, str]:
        """A free time with a colleague of D, on days on which P has nothing else."""
        colleague = self.clinic.dentists[1]
        days, slot = divmod(next(self._numbers), 9)
        start = self.clinic.at(f"{9 + slot:02}:00", dentist=colleague, days=150 + days)
        return {"dentist_id": colleague.id, "start": start}

    async def appointment(self) -> dict[str, Any]:
        """A new one of P at D."""
        body = {**self.slot(), "patient_id": self.p.id, "notes": NOTE}
        return _made(await self.clinic.api(self.d).post("/api/appointments", body))

    async def late_visit(self) -> dict[str, Any]:
        """One of P at D outside of D's hours."""
        start = self.clinic.at("22:00", days=20)
        body = {**self.slot(), "start": start, "patient_id": self.p.id}
        return _made(await self.clinic.api(self.d).post("/api/appointments", body))

    async def reservation(self) -> dict[str, Any]:
        return _made(await self.clinic.api(self.p).post("/api/reservations", self.slot()))

    async def consent(self) -> dict[str, Any]:
        """A new one of P, to a chatbot of its own."""
        body = {"party": f"chatbot:{uuid4()}"}
        return _made(await self.clinic.api(self.p).post("/api/consents", body))

    async def message(self) -> dict[str, Any]:
        """One about a new appointment of P at D, which waits: this hub sends none."""
        made, database = await self.appointment(), self.clinic.database
        message = {"id": str(uuid4()), "appointment_id": made["id"]}
        now = "now()" if isinstance(database, OnPostgres) else "unixepoch() * 1000000"
        columns = (
            "id, kind, channel, dentist_id, patient_id, appointment_id, state, attempts,"
            " created_at, expires_at, next_attempt_at, version"
        )
        values = (
            f"'{message['id']}', 'confirmation', 'email', '{self.d.id}', '{self.p.id}',"
            f" '{made['id']}', 'queued', 0, {now}, {now}, {now}, 1"
        )
        execute(database, f"INSERT INTO messages ({columns}) VALUES ({values})")  # noqa: S608  # ids of ours
        return message

    async def invitation(self) -> dict[str, Any]:
        """A new one of P, by the desk of D's practice."""
        body = {"profile_id": self.p.id}
        return _made(await self.clinic.api(self.s).post("/api/invitations", body))

    async def webhook(self, owner: str) -> dict[str, Any]:
        body = {"url": self.receiver.url, "channels": ["availability:all"]}
        return _made(await self.api(self.bearers()[owner]).post("/api/webhooks", body))

    async def kept_webhook(self, owner: str, *, may_be_gone: bool = False) -> dict[str, Any]:
        """One for all calls; another one if a call has ended it."""
        found: dict[str, Any] | None = self._kept.get(owner)
        if found is not None and may_be_gone:
            answer = await self.api(self.bearers()[owner]).get(f"/api/webhooks/{found['id']}")
            found = found if answer.status == 200 else None
        if found is None:
            found = self._kept[owner] = await self.webhook(owner)
        return found

    async def person(self, **fields: str) -> dict[str, Any]:
        """A new patient, without a dentist."""
        body = {"role": "patient", "name": "Somebody", **fields}
        return _made(await self.clinic.admin.post("/api/profiles", body))

    async def patient_of_a(self) -> dict[str, Any]:
        """A new patient of D's practice."""
        body = {"role": "patient", "name": "Somebody", "practice_id": self.practice}
        return _made(await self.clinic.admin.post("/api/profiles", body))

    async def double(self) -> dict[str, Any]:
        """Another record of P, by D."""
        body = {"role": "patient", "name": "P", "phone": "+1 555 0100", "allow_duplicate": True}
        return _made(await self.clinic.api(self.d).post("/api/profiles", body))

    async def employee(self) -> dict[str, Any]:
        """A new dentist of D's practice."""
        body = {"role": "dentist", "name": "Dr New", "practice_id": self.practice}
        return _made(await self.clinic.admin.post("/api/profiles", body))

    async def kept(self, name: str) -> dict[str, Any]:
        """One thing for all calls that only read it: ``appointment``, ``reservation``."""
        if name not in self._kept:
            self._kept[name] = await getattr(self, name)()
        found: dict[str, Any] = self._kept[name]
        return found


def _made(answer: Answer) -> dict[str, Any]:
    assert answer.status == 201, answer.body
    body: dict[str, Any] = answer.body
    return body

"""What patients do with the link of a message, without signing in: for one visit, as themselves."""

from datetime import datetime, timedelta

from actors.domain.appointment import Appointment, Status
from actors.domain.cancel_reason import CancelReason
from actors.domain.ids import AppointmentId, AppointmentTypeId, DentistId
from actors.domain.masked import masked_email, masked_name, masked_phone
from actors.domain.principal import Role
from actors.domain.profile import Profile
from actors.domain.refusals import Forbidden, InvalidToken, NotFound, Unavailable
from actors.domain.sign_in import hashed, secret_of
from actors.domain.values import value
from actors.domain.visit_link import VisitLink
from actors.ports.clock import Clock
from actors.ports.commits import CommitFailure
from actors.ports.messages import VisitEntry, VisitLinks
from actors.services.availability import MAX_RANGE, Availability, SlotPage
from actors.services.bookings import Bookings
from actors.services.caller import Caller
from actors.services.catalog import Catalog
from actors.services.directory import Directory
from actors.services.messages import CalendarEntries
from actors.services.practices import Practices
from actors.services.requests import AppointmentChange, Cancellation, SlotSearch

TIMES_MAX = 60
"""Free times in one answer."""


@value
class MaskedPatient:
    name: str
    email: str | None
    phone: str | None


@value
class LinkedVisit(VisitEntry):
    """A visit as its link shows it."""

    patient: MaskedPatient
    time_zone: str
    """Of the practice, or of the dentist who works at none."""
    changeable_until: datetime | None
    """Until then the patient may move or cancel it; ``None``: not at all."""
    is_to_come: bool

    @property
    def can_be_confirmed(self) -> bool:
        is_unanswered = self.row.patient_confirmed_at is None
        return self.is_to_come and is_unanswered and self.row.status is Status.CONFIRMED


@value
class LinkCaller(Caller):
    """The patient of an open link, who acts on its visit."""

    link: VisitLink
    row: Appointment

    @property
    def visit_id(self) -> AppointmentId:
        return self.row.id


class LinkedVisits:
    """Each call names a token; all that are not of an open link are refused alike.

    The patient's own rights apply, and the rules of the calendar. The audit names the message.
    """

    def __init__(
        self,
        links: VisitLinks,
        bookings: Bookings,
        availability: Availability,
        directory: Directory,
        practices: Practices,
        catalog: Catalog,
        entries: CalendarEntries,
        clock: Clock,
    ) -> None:
        self._links, self._bookings, self._availability = links, bookings, availability
        self._directory, self._practices, self._catalog = directory, practices, catalog
        self._entries, self._clock = entries, clock

    async def caller(self, token: str, *, request_id: str) -> LinkCaller:
        """The patient whose link it is. Raises InvalidToken for all others alike."""
        secret = secret_of(token)
        link = await self._of_token(secret) if secret else None
        now = self._clock.now()
        if link is None or not link.is_open(now):
            raise InvalidToken("no open link")
        caller = Caller(principal=link.principal, request_id=request_id)
        try:
            row, _ = await self._bookings.get(caller, link.appointment_id)
            patient = await self._directory.person(link.patient_id, Role.PATIENT)
            dentist = await self._directory.person(row.dentist_id, Role.DENTIST)
        except NotFound:
            raise InvalidToken("the visit is another patient's now") from None
        if not link.leads_to(row, patient, dentist.practice_id, now):
            raise InvalidToken("the visit is over, or not what the link was made for")
        return LinkCaller(principal=caller.principal, request_id=request_id, link=link, row=row)

    async def show(self, caller: LinkCaller) -> LinkedVisit:
        """As it is now; reading changes nothing."""
        row, _ = await self._bookings.get(caller, caller.visit_id)
        dentist = await self._directory.person(row.dentist_id, Role.DENTIST)
        place = dentist.practice_id
        practice = await self._practices.find(place) if place else None
        kinds = {kind.id: kind for kind in await self._catalog.types()}
        is_to_come = row.start > self._clock.now()
        return LinkedVisit(
            row=row,
            kind=kinds[row.appointment_type_id],
            dentist=dentist,
            practice=practice,
            patient=_masked(await self._directory.person(caller.link.patient_id)),
            time_zone=(practice and practice.time_zone) or dentist.time_zone or "UTC",
            changeable_until=await self._changeable_until(row) if is_to_come else None,
            is_to_come=is_to_come,
        )

    async def times(self, caller: LinkCaller, after: datetime | None) -> SlotPage:
        """Free times of the same dentist and type; ``after``: the last one of the page before."""
        row, now = caller.row, self._clock.now()
        search = SlotSearch(
            dentist_ids=(row.dentist_id,),
            appointment_type_id=AppointmentTypeId(row.appointment_type_id),
            starts_from=max(after or now, now),
            starts_before=max(after or now, now) + MAX_RANGE,
            limit=TIMES_MAX,
            after=(after, DentistId(row.dentist_id)) if after else None,
        )
        return await self._availability.find(caller, search)

    async def confirm(self, caller: LinkCaller, version: int) -> LinkedVisit:
        """Note that the patient will come."""
        await self._bookings.confirm(caller, caller.visit_id, expected_version=version)
        return await self.show(caller)

    async def move(self, caller: LinkCaller, start: datetime, version: int) -> LinkedVisit:
        """To another free time of the same dentist."""
        change = AppointmentChange(start=start)
        await self._bookings.change(caller, caller.visit_id, change, expected_version=version)
        return await self.show(caller)

    async def cancel(
        self, caller: LinkCaller, reason: CancelReason | None, version: int
    ) -> LinkedVisit:
        cancellation = Cancellation(reason=reason)
        await self._bookings.cancel(caller, caller.visit_id, cancellation, expected_version=version)
        return await self.show(caller)

    async def calendar(self, caller: LinkCaller) -> bytes:
        """A file for calendars; of a cancelled visit it removes the entry."""
        return await self._entries.file(caller, caller.visit_id)

    async def revoke(self, caller: Caller, appointment_id: AppointmentId) -> None:
        """End all links of a visit: the dentist, or the staff of the practice.

        Later messages have new ones.
        """
        if not caller.principal.works_at_practice:
            raise Forbidden
        await self._bookings.get(caller, appointment_id)
        try:
            await self._links.revoke(
                caller.principal, caller.request_id, appointment_id, self._clock.now()
            )
        except CommitFailure as error:
            raise Unavailable from error

    async def _of_token(self, secret: bytes) -> VisitLink | None:
        try:
            return await self._links.of_token(hashed(secret))
        except CommitFailure as error:
            raise Unavailable from error

    async def _changeable_until(self, row: Appointment) -> datetime | None:
        if row.status is not Status.CONFIRMED:
            return None
        schedule = (await self._availability.schedule(row.dentist_id)).schedule
        return row.start - timedelta(minutes=schedule.cancel_notice_minutes)


def _masked(patient: Profile) -> MaskedPatient:
    return MaskedPatient(
        name=masked_name(patient.name),
        email=masked_email(patient.email) if patient.email else None,
        phone=masked_phone(patient.phone) if patient.phone else None,
    )

"""Messages to patients: listed and sent again by the practice; visits as calendar files."""

from dataclasses import replace

from actors.domain.appointment import NEVER_BOOKED
from actors.domain.events import MessageSaved
from actors.domain.ids import AppointmentId
from actors.domain.message import Message, MessageId, MessageState, is_true_of
from actors.domain.notices import VisitNotice, new_message
from actors.domain.principal import Principal, Role
from actors.domain.refusals import Forbidden, MessageOutdated, NotFound
from actors.ports.commits import Reply
from actors.ports.messages import (
    CalendarFiles,
    MessagePage,
    MessageQuery,
    MessageReads,
    VisitEntry,
)
from actors.services.bookings import Bookings
from actors.services.caller import Caller
from actors.services.catalog import Catalog
from actors.services.directory import Directory
from actors.services.practices import Practices
from actors.services.records import Records


class Messages:
    """Messages about the visits of a dentist or a practice; admins see all."""

    def __init__(self, reads: MessageReads, bookings: Bookings, records: Records) -> None:
        self._reads, self._bookings, self._records = reads, bookings, records

    async def page(self, caller: Caller, query: MessageQuery) -> MessagePage:
        _check_reader(caller.principal)
        return await self._reads.page(caller.principal, query)

    async def resend(self, caller: Caller, message_id: MessageId) -> Reply:
        """Queue the message once more, as a new one; one that is still queued stays as it is.

        By the dentist, or the staff of the practice. Raises MessageOutdated if the visit has
        begun, or is not as the message says any more.
        """
        if not caller.principal.works_at_practice:
            raise Forbidden
        key = self._records.key(caller, "message:resend", {"id": message_id})
        message = await self._reads.get(caller.principal, message_id)
        if message is None:
            raise NotFound("message")
        if message.state is MessageState.QUEUED:
            event = MessageSaved(before=message, after=message)
            return await self._records.save(caller, key, event, message)
        again = await self._again(caller, message)
        event = MessageSaved(before=None, after=again)
        return await self._records.save(caller, key, event, again)

    async def _again(self, caller: Caller, message: Message) -> Message:
        assert message.appointment_id, "callers are shown messages about visits only"
        row, _ = await self._bookings.get(caller, message.appointment_id)
        now = self._records.clock.now()
        if row.start <= now or not is_true_of(message.kind, message.visit_start, row):
            raise MessageOutdated
        new = new_message(
            VisitNotice(kind=message.kind, row=row),
            MessageId(self._records.new_id()),
            message.channel,
            practice_id=message.practice_id,
            at=now,
        )
        return replace(new, dentist_id=row.dentist_id)


def _check_reader(by: Principal) -> None:
    if not by.works_at_practice and by.role is not Role.ADMIN:
        raise Forbidden


class CalendarEntries:
    """Visits as iCalendar objects, for everyone who may read them."""

    def __init__(
        self,
        bookings: Bookings,
        directory: Directory,
        practices: Practices,
        catalog: Catalog,
        files: CalendarFiles,
    ) -> None:
        self._bookings, self._directory = bookings, directory
        self._practices, self._catalog, self._files = practices, catalog, files

    async def file(self, caller: Caller, appointment_id: AppointmentId) -> bytes:
        """Of a visit, cancelled ones included. Raises NotFound, also for a reservation."""
        row, _ = await self._bookings.get(caller, appointment_id)
        if row.status in NEVER_BOOKED:
            raise NotFound("appointment")
        dentist = await self._directory.person(row.dentist_id, Role.DENTIST)
        kinds = {kind.id: kind for kind in await self._catalog.types()}
        place = dentist.practice_id
        entry = VisitEntry(
            row=row,
            kind=kinds[row.appointment_type_id],
            dentist=dentist,
            practice=await self._practices.find(place) if place else None,
        )
        by = caller.principal
        me = await self._directory.person(by.person) if by.person else None
        language = me.language if me else None
        is_own = by.role is Role.PATIENT and by.acting is None
        attendee = me.email if me and is_own else None
        return self._files.file(entry, language=language, attendee=attendee)

"""A visit as an iCalendar object (RFC 5545, RFC 5546), with which calendars keep one entry.

The UID is that of the appointment, and SEQUENCE its version: a calendar replaces the entry by
the later one, and removes it when it was cancelled.
"""

from datetime import timedelta
from typing import Final

from icalendar import Alarm, Calendar, Event, vCalAddress, vUri

from actors.domain.appointment import Status
from actors.ports.messages import VisitEntry
from hub.messages.settings import MessageSettings
from hub.messages.wording import Wording, one_line, wording

_ALARM_BEFORE: Final = timedelta(hours=24)
_DOMAIN: Final = "chairside"


def calendar_method(entry: VisitEntry) -> str:
    return "CANCEL" if entry.row.status is Status.CANCELLED else "REQUEST"


class VisitCalendars:
    """Implements :class:`actors.ports.messages.CalendarFiles`."""

    def __init__(self, settings: MessageSettings) -> None:
        self._settings = settings

    def file(
        self, entry: VisitEntry, *, language: str | None, attendee: str | None = None
    ) -> bytes:
        words = wording(language, self._settings.language)
        calendar = Calendar()
        calendar.add("PRODID", "-//Chairside//Appointments//EN")
        calendar.add("VERSION", "2.0")
        calendar.add("METHOD", calendar_method(entry))
        includes_type = self._settings.include_type
        calendar.add_component(_event(entry, words, includes_type=includes_type, attendee=attendee))
        return bytes(calendar.to_ical())


def _event(
    entry: VisitEntry, words: Wording, *, includes_type: bool, attendee: str | None
) -> Event:
    row, practice, event = entry.row, entry.practice, Event()
    name = one_line(practice.name if practice else entry.dentist.name)
    is_cancelled = row.status is Status.CANCELLED
    title = words.entry.format(practice=name)
    event.add("UID", f"{row.id}@{_DOMAIN}")
    event.add("SEQUENCE", row.version)
    event.add("DTSTAMP", row.updated_at)
    event.add("LAST-MODIFIED", row.updated_at)
    event.add("DTSTART", row.start)
    event.add("DTEND", row.end)
    event.add("SUMMARY", f"{title}: {one_line(entry.kind.name)}" if includes_type else title)
    event.add("STATUS", "CANCELLED" if is_cancelled else "CONFIRMED")
    event.add("CLASS", "PRIVATE")
    if practice and practice.address:
        event.add("LOCATION", f"{name}, {one_line(practice.address)}")
    else:
        event.add("LOCATION", name)
    event.add("DESCRIPTION", _description(entry, words))
    event.add("ORGANIZER", _organizer(entry, name))
    if attendee:
        event.add("ATTENDEE", _attendee(attendee))
    if not is_cancelled:
        event.add_component(_alarm(title))
    return event


def _description(entry: VisitEntry, words: Wording) -> str:
    lines = [f"{words.dentist}: {one_line(entry.dentist.name)}"]
    if entry.practice and entry.practice.phone:
        lines.append(f"{words.phone}: {entry.practice.phone}")
    return "\n".join(lines)


def _organizer(entry: VisitEntry, name: str) -> vCalAddress | vUri:
    practice = entry.practice
    if practice is None or not practice.email:
        address = vCalAddress(f"urn:uuid:{practice.id if practice else entry.dentist.id}")
    else:
        address = vCalAddress(f"mailto:{practice.email}")
    address.params["CN"] = name.replace('"', "'")
    return address


def _attendee(email: str) -> vCalAddress:
    address = vCalAddress(f"mailto:{email}")
    address.params["PARTSTAT"] = "ACCEPTED"
    address.params["RSVP"] = "FALSE"
    return address


def _alarm(title: str) -> Alarm:
    alarm = Alarm()
    alarm.add("ACTION", "DISPLAY")
    alarm.add("DESCRIPTION", title)
    alarm.add("TRIGGER", -_ALARM_BEFORE)
    return alarm

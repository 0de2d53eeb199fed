"""A visit as an iCalendar object (RFC 5545, RFC 5546), with which calendars keep one entry.

The UID is that of the appointment, and SEQUENCE its version: a calendar replaces the entry by
the later one, and removes it when it was cancelled.
"""

from datetime import timedelta
from typing import Final

from icalendar import Alarm, Calendar, Event, vCalAddress, vUri

from actors.domain.appointment import Status
from actors.ports.messages import VisitDetails
from hub.messages.wording import Wording, one_line

_ALARM_BEFORE: Final = timedelta(hours=24)
_DOMAIN: Final = "chairside"


def calendar_method(details: VisitDetails) -> str:
    return "CANCEL" if details.row.status is Status.CANCELLED else "REQUEST"


def calendar_file(
    details: VisitDetails, words: Wording, *, includes_type: bool, attendee: str | None = None
) -> bytes:
    """The object; ``attendee`` is the patient's e-mail address, where it may be shown."""
    calendar = Calendar()
    calendar.add("PRODID", "-//Chairside//Appointments//EN")
    calendar.add("VERSION", "2.0")
    calendar.add("METHOD", calendar_method(details))
    calendar.add_component(_event(details, words, includes_type=includes_type, attendee=attendee))
    return bytes(calendar.to_ical())


def _event(
    details: VisitDetails, words: Wording, *, includes_type: bool, attendee: str | None
) -> Event:
    row, practice, event = details.row, details.practice, Event()
    name = one_line(practice.name if practice else details.dentist.name)
    is_cancelled = row.status is Status.CANCELLED
    title = words.entry.format(practice=name)
    event.add("UID", f"{row.id}@{_DOMAIN}")
    event.add("SEQUENCE", row.version)
    event.add("DTSTAMP", row.updated_at)
    event.add("LAST-MODIFIED", row.updated_at)
    event.add("DTSTART", row.start)
    event.add("DTEND", row.end)
    event.add("SUMMARY", f"{title}: {one_line(details.kind.name)}" if includes_type else title)
    event.add("STATUS", "CANCELLED" if is_cancelled else "CONFIRMED")
    event.add("CLASS", "PRIVATE")
    if practice and practice.address:
        event.add("LOCATION", f"{name}, {one_line(practice.address)}")
    else:
        event.add("LOCATION", name)
    event.add("DESCRIPTION", _description(details, words))
    event.add("ORGANIZER", _organizer(details, name))
    if attendee:
        event.add("ATTENDEE", _attendee(attendee))
    if not is_cancelled:
        event.add_component(_alarm(title))
    return event


def _description(details: VisitDetails, words: Wording) -> str:
    lines = [f"{words.dentist}: {one_line(details.dentist.name)}"]
    if details.practice and details.practice.phone:
        lines.append(f"{words.phone}: {details.practice.phone}")
    return "\n".join(lines)


def _organizer(details: VisitDetails, name: str) -> vCalAddress | vUri:
    practice = details.practice
    if practice is None or not practice.email:
        address = vCalAddress(f"urn:uuid:{practice.id if practice else details.dentist.id}")
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

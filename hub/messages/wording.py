"""What messages say, in each language. Pure: texts and dates, no formatting for a channel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from actors.domain.cancel_reason import CancelReason
from actors.domain.message import MessageKind

_CHARS_MAX: Final = 200
ON_PATIENTS_SIDE: Final = frozenset(
    reason for reason in CancelReason if reason.value.startswith("patient")
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Wording:
    """The texts of one language. ``{practice}`` and the like are filled in as plain text."""

    language: str
    subjects: Mapping[MessageKind, str]
    openings: Mapping[MessageKind, str]
    greeting: str
    when: str
    where: str
    dentist: str
    kind: str
    reason: str
    phone: str
    your_zone: str
    link: str
    """What the page of the visit is for."""
    cannot_come: str
    new_visit: str
    calendar_note: str
    no_reply: str
    entry: str
    """The title of the entry in a calendar."""
    by_patient: str
    by_practice: str
    reasons: Mapping[CancelReason, str]
    """Beside these, only whose cancellation it was is told."""
    days: Sequence[str]
    months: Sequence[str]
    moment: str

    def date_and_time(self, at: datetime) -> str:
        """A local time, e.g. ``Monday, 8 March 2027, 09:30``."""
        return self.moment.format(
            weekday=self.days[at.weekday()],
            day=at.day,
            month=self.months[at.month - 1],
            year=at.year,
            time=at.strftime("%H:%M"),
        )

    def reason_of(self, reason: CancelReason | None) -> str | None:
        """Why a visit was cancelled; nothing of the patient's health."""
        if reason is None:
            return None
        whose = self.by_patient if reason in ON_PATIENTS_SIDE else self.by_practice
        return self.reasons.get(reason, whose)


_ENGLISH: Final = Wording(
    language="en",
    subjects={
        MessageKind.CONFIRMATION: "Your appointment at {practice}",
        MessageKind.CHANGE: "Your appointment at {practice} has changed",
        MessageKind.CANCELLATION: "Your appointment at {practice} is cancelled",
        MessageKind.REMINDER: "Reminder: your appointment at {practice}",
        MessageKind.CONFIRMATION_REQUEST: "Will you come? Your appointment at {practice}",
    },
    openings={
        MessageKind.CONFIRMATION: "Your appointment is booked.",
        MessageKind.CHANGE: "Your appointment has changed. It is now:",
        MessageKind.CANCELLATION: "Your appointment is cancelled.",
        MessageKind.REMINDER: "We look forward to seeing you:",
        MessageKind.CONFIRMATION_REQUEST: "Please let us know whether you will come:",
    },
    greeting="Dear {name},",
    when="When",
    where="Where",
    dentist="With",
    kind="For",
    reason="Reason",
    phone="Telephone",
    your_zone="{time} in your time zone ({zone})",
    link="Confirm, move or cancel the appointment",
    cannot_come="If you cannot come, please let us know in good time.",
    new_visit="Please contact us if you would like a new appointment.",
    calendar_note="The attached file updates the entry in your calendar.",
    no_reply="This message was sent automatically.",
    entry="Appointment at {practice}",
    by_patient="cancelled on your side",
    by_practice="cancelled by the practice",
    reasons={
        CancelReason.EQUIPMENT: "equipment that is not available",
        CancelReason.ROOM: "a room that is not available",
        CancelReason.WEATHER: "the weather",
        CancelReason.BOOKING_ERROR: "an error in the booking",
    },
    days=("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"),
    months=(
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    ),
    moment="{weekday}, {day} {month} {year}, {time}",
)
_GERMAN: Final = Wording(
    language="de",
    subjects={
        MessageKind.CONFIRMATION: "Ihr Termin: {practice}",
        MessageKind.CHANGE: "Ihr Termin wurde geändert: {practice}",
        MessageKind.CANCELLATION: "Ihr Termin wurde abgesagt: {practice}",
        MessageKind.REMINDER: "Erinnerung an Ihren Termin: {practice}",
        MessageKind.CONFIRMATION_REQUEST: "Kommen Sie? Ihr Termin: {practice}",
    },
    openings={
        MessageKind.CONFIRMATION: "Ihr Termin ist gebucht.",
        MessageKind.CHANGE: "Ihr Termin wurde geändert. Er ist jetzt:",
        MessageKind.CANCELLATION: "Ihr Termin wurde abgesagt.",
        MessageKind.REMINDER: "wir freuen uns auf Ihren Besuch:",
        MessageKind.CONFIRMATION_REQUEST: "bitte sagen Sie uns, ob Sie kommen:",
    },
    greeting="Guten Tag {name},",
    when="Wann",
    where="Wo",
    dentist="Bei",
    kind="Für",
    reason="Grund",
    phone="Telefon",
    your_zone="{time} in Ihrer Zeitzone ({zone})",
    link="Termin bestätigen, verschieben oder absagen",
    cannot_come="Wenn Sie nicht kommen können, geben Sie uns bitte rechtzeitig Bescheid.",
    new_visit="Bitte melden Sie sich bei uns, wenn Sie einen neuen Termin möchten.",
    calendar_note="Die angehängte Datei aktualisiert den Eintrag in Ihrem Kalender.",
    no_reply="Diese Nachricht wurde automatisch versendet.",
    entry="Termin: {practice}",
    by_patient="von Ihrer Seite abgesagt",
    by_practice="von der Praxis abgesagt",
    reasons={
        CancelReason.EQUIPMENT: "ein Gerät steht nicht zur Verfügung",
        CancelReason.ROOM: "ein Raum steht nicht zur Verfügung",
        CancelReason.WEATHER: "das Wetter",
        CancelReason.BOOKING_ERROR: "ein Fehler bei der Buchung",
    },
    days=("Montag", "Dienstag", "Mittwoch", "Donnerstag", "Freitag", "Samstag", "Sonntag"),
    months=(
        "Januar",
        "Februar",
        "März",
        "April",
        "Mai",
        "Juni",
        "Juli",
        "August",
        "September",
        "Oktober",
        "November",
        "Dezember",
    ),
    moment="{weekday}, {day}. {month} {year}, {time} Uhr",
)
_WORDINGS: Final = {each.language: each for each in (_ENGLISH, _GERMAN)}


def one_line(text: str) -> str:
    """One line without control characters, of a bounded length."""
    printable = "".join(char if char.isprintable() else " " for char in text[:_CHARS_MAX])
    return " ".join(printable.split())


def wording(language: str | None, default: str) -> Wording:
    """Of a tag of BCP 47, by its language; without texts in it, of the default."""
    wanted = (language or "").partition("-")[0].lower()
    return _WORDINGS.get(wanted) or _WORDINGS[default]

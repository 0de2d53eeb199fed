"""What mails say, and that nothing which people enter becomes a header or a part of a template."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser

import icalendar
import pytest

from actors.domain.appointment import Appointment, Status
from actors.domain.cancel_reason import CancelReason
from actors.domain.ids import PatientId, PracticeId, ProfileId
from actors.domain.message import Message, MessageChannel, MessageId, MessageKind
from actors.domain.practice import Practice
from actors.domain.principal import Role
from actors.domain.profile import Profile
from actors.ports.messages import MailContent, VisitDetails
from hub.messages.letters import Letters
from hub.messages.mime import mime
from hub.messages.settings import MailSettings, MessageSettings
from hub.messages.wording import wording
from tests.unit.calendars import ANNA, CHECKUP, DENTIST, NOW, row

SENDER = "desk@practice.example"
START = datetime(2027, 3, 8, 8, 30, tzinfo=UTC)
PRACTICE = Practice(
    id=PracticeId("01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f"),
    name="Praxis Dr. Ann",
    time_zone="Europe/Berlin",
    address="Hauptstraße 1\n10115 Berlin",
    phone="+49 30 1234",
    email="praxis@example.org",
)


def details(
    language: str | None = None, *, visit: Appointment | None = None, **patient: object
) -> VisitDetails:
    person = Profile(
        id=ProfileId(ANNA),
        role=Role.PATIENT,
        name="Anna",
        email="anna@example.org",
        language=language,
    )
    return VisitDetails(
        row=visit or row(START),
        kind=CHECKUP,
        patient=replace(person, **patient),  # type: ignore[arg-type]  # keywords of a test
        dentist=Profile(id=ProfileId(DENTIST), role=Role.DENTIST, name="Dr. Ann"),
        practice=PRACTICE,
    )


def message(kind: MessageKind = MessageKind.CONFIRMATION) -> Message:
    return Message(
        id=MessageId("m-1"),
        kind=kind,
        channel=MessageChannel.EMAIL,
        dentist_id=DENTIST,
        patient_id=PatientId(ProfileId(ANNA)),
        appointment_id=row(START).id,
        visit_start=START,
        created_at=NOW,
        expires_at=START,
        next_attempt_at=NOW,
    )


def letter(
    kind: MessageKind, told: VisitDetails, settings: MessageSettings | None = None
) -> MailContent:
    letters = Letters(settings or MessageSettings(enabled=True), SENDER)
    return letters.of_visit(message(kind), told, "anna@example.org")


def parsed(mail: MailContent) -> EmailMessage:
    octets = mime(mail, sender=SENDER, at=NOW)
    read = BytesParser(policy=policy.default).parsebytes(octets)
    assert isinstance(read, EmailMessage)
    return read


def cancelled(reason: CancelReason | None = None) -> Appointment:
    return replace(row(START), status=Status.CANCELLED, cancel_reason=reason, version=3)


def test_a_confirmation_has_time_place_and_practice() -> None:
    mail = letter(MessageKind.CONFIRMATION, details())
    for text in (mail.text, mail.html):
        assert "Monday, 8 March 2027, 09:30" in text, "in the practice's time zone"
        assert "Hauptstraße 1 10115 Berlin" in text
        assert "Telephone: +49 30 1234" in text
        assert "Dr. Ann" in text
        assert "Dear Anna," in text
    assert mail.subject == "Your appointment at Praxis Dr. Ann"
    read = parsed(mail)
    assert str(read["From"]) == f'"Praxis Dr. Ann" <{SENDER}>'
    assert str(read["Reply-To"]) == '"Praxis Dr. Ann" <praxis@example.org>'
    assert (str(read["To"]), str(read["Message-ID"])) == (
        "anna@example.org",
        "<m-1@practice.example>",
    )


def test_a_german_patient_reads_german_and_both_times() -> None:
    mail = letter(MessageKind.CHANGE, details("de-AT", time_zone="Europe/London"))
    assert mail.subject == "Ihr Termin wurde geändert: Praxis Dr. Ann"
    assert "Montag, 8. März 2027, 09:30 Uhr" in mail.text
    assert "Montag, 8. März 2027, 08:30 Uhr in Ihrer Zeitzone (Europe/London)" in mail.text
    assert "Guten Tag Anna," in mail.html
    assert str(parsed(mail)["Subject"]) == mail.subject


def test_a_language_without_texts_has_the_default() -> None:
    settings = MessageSettings(enabled=True, language="de")
    assert letter(MessageKind.REMINDER, details("fr"), settings).subject.startswith("Erinnerung")
    assert wording(None, "en").language == "en"


def test_a_cancellation_says_why_without_health() -> None:
    ill = letter(MessageKind.CANCELLATION, details(visit=cancelled(CancelReason.PATIENT_ILL)))
    assert "Reason: cancelled on your side" in ill.text
    assert "ill" not in ill.text.replace("will", "")
    room = letter(MessageKind.CANCELLATION, details(visit=cancelled(CancelReason.ROOM)))
    assert "Reason: a room that is not available" in room.text
    plain = letter(MessageKind.CANCELLATION, details(visit=cancelled()))
    assert "Reason" not in plain.text
    assert "Telephone: +49 30 1234" in plain.text


def test_the_type_is_named_only_where_the_practice_allows_it() -> None:
    without = letter(MessageKind.CONFIRMATION, details())
    assert CHECKUP.name not in without.text + without.html
    assert without.calendar
    assert CHECKUP.name.encode() not in without.calendar
    allowed = MessageSettings(enabled=True, include_type=True)
    named = letter(MessageKind.CONFIRMATION, details(), allowed)
    assert f"For: {CHECKUP.name}" in named.text
    assert CHECKUP.name not in named.subject


def test_reminders_can_be_unsubscribed_from() -> None:
    read = parsed(letter(MessageKind.REMINDER, details()))
    assert str(read["List-Unsubscribe"]) == "<mailto:praxis@example.org?subject=unsubscribe>"
    assert parsed(letter(MessageKind.CHANGE, details()))["List-Unsubscribe"] is None


HOSTILE = (
    "Eve\r\nBcc: all@example.org",
    "Eve\nSubject: other",
    "{{ 7 * 7 }}{% for a in b %}",
    "{practice.__class__}",
    '"><script>alert(1)</script>',
    "\u202eevE\x00\u2028Bcc: all@example.org",
)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("kind", [MessageKind.CONFIRMATION, MessageKind.CANCELLATION])
def test_names_are_data_in_every_header_template_and_file(name: str, kind: MessageKind) -> None:
    told = details(name=name, visit=cancelled() if kind is MessageKind.CANCELLATION else None)
    practice = replace(PRACTICE, name=name, address=name, phone=name)
    told = replace(told, practice=practice, dentist=replace(told.dentist, name=name))
    mail = letter(kind, told, MessageSettings(enabled=True, include_type=True))
    read = parsed(mail)
    assert read["Bcc"] is None
    assert str(read["Subject"]) == mail.subject
    assert "\n" not in mail.subject + mail.sender_name
    assert sorted(set(read.keys())) == sorted(set(parsed(letter(kind, details())).keys()))
    assert "<script>" not in mail.html
    assert "49" not in mail.text.replace("+49", "").replace("00:49", "")
    assert mail.calendar
    (event,) = icalendar.Calendar.from_ical(mail.calendar).walk("VEVENT")
    assert "BCC" not in event
    if "{{" in name:
        assert name in mail.text


def test_a_header_with_a_line_break_is_refused() -> None:
    mail = replace(letter(MessageKind.CONFIRMATION, details()), subject="a\r\nBcc: b@example.org")
    with pytest.raises(ValueError, match="linefeed"):
        mime(mail, sender=SENDER, at=NOW)


def calendar(told: VisitDetails, kind: MessageKind) -> icalendar.Component:
    content = letter(kind, told).calendar
    assert content
    return icalendar.Calendar.from_ical(content)


def test_calendars_keep_one_entry_by_its_uid() -> None:
    first = calendar(details(), MessageKind.CONFIRMATION)
    moved = replace(row(START + timedelta(days=1)), version=2)
    second = calendar(details(visit=moved), MessageKind.CHANGE)
    third = calendar(details(visit=cancelled()), MessageKind.CANCELLATION)
    methods = [str(each["METHOD"]) for each in (first, second, third)]
    assert methods == ["REQUEST", "REQUEST", "CANCEL"]
    events = [each.walk("VEVENT")[0] for each in (first, second, third)]
    assert len({str(event["UID"]) for event in events}) == 1
    assert [event["SEQUENCE"] for event in events] == [1, 2, 3]
    assert [str(event["STATUS"]) for event in events] == ["CONFIRMED", "CONFIRMED", "CANCELLED"]
    assert [event.decoded("DTSTART") for event in events] == [START, moved.start, START]
    assert str(events[0]["LOCATION"]) == "Praxis Dr. Ann, Hauptstraße 1 10115 Berlin"
    assert str(events[0]["ORGANIZER"]) == "mailto:praxis@example.org"
    assert str(events[0]["ATTENDEE"]) == "mailto:anna@example.org"
    assert len(first.walk("VALARM")) == 1
    assert third.walk("VALARM") == []


def test_a_mail_carries_the_file_twice() -> None:
    read = parsed(letter(MessageKind.CONFIRMATION, details()))
    kinds = [part.get_content_type() for part in read.walk() if not part.is_multipart()]
    assert kinds == ["text/plain", "text/html", "text/calendar", "application/ics"]
    part = next(each for each in read.walk() if each.get_content_type() == "text/calendar")
    assert part.get_param("method") == "REQUEST"
    assert (
        max(
            len(line)
            for line in mime(
                letter(MessageKind.CONFIRMATION, details()), sender=SENDER, at=NOW
            ).splitlines()
        )
        <= 998
    )


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"server": "mail.example"}, "sender"),
        ({"server": "mail.example", "sender": "nobody"}, "sender"),
        ({"server": "mail.example", "sender": SENDER, "folder": "mails"}, "folder"),
        ({"server": "m", "sender": SENDER, "user": "u", "tls": "none"}, "tls"),
        *(
            ({"server": "m", "sender": SENDER, "senders": senders}, "senders")
            for senders in (
                (f"practice={SENDER}",),
                (f"{PRACTICE.id}=nobody",),
                (f"{PRACTICE.id}=a@b.example\nBcc: eve@example.org",),
                (f"{PRACTICE.id}={SENDER}", f"{PRACTICE.id.upper()}=a@b.example"),
            )
        ),
    ],
)
def test_settings_that_do_not_go_together(settings: dict[str, object], name: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} "):
        MailSettings(**settings)  # type: ignore[arg-type]  # texts of a test


def test_waits_double_up_to_the_longest() -> None:
    settings = MessageSettings(retry_first_s=60, retry_longest_s=200)
    assert [settings.retry_wait_s(each) for each in (1, 2, 3, 99)] == [60, 120, 200, 200]

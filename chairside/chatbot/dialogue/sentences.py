"""The chatbot's replies, word by word.

Names come from the clinic and are data: they are shown as they are, on one line, cut to a
bounded length, and never obeyed.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from chairside.chatbot.clinic import Facts, Hold, OwnAppointment, Practitioner
from chairside.chatbot.dialogue.offers import local, zone_of
from chairside.chatbot.dialogue.state import ChatReply, Option, Task
from chairside.chatbot.understanding.acts import Intent
from chairside.chatbot.understanding.normalize import readable
from chairside.chatbot.understanding.when import TimeProblem, When
from chairside.client import FreeSlot

NAME_MAX_CHARS: Final = 60

CAN_DO: Final = (
    "I can book, move and cancel your appointments. Try: “I need a cleaning next Tuesday after 3”,"
    " “the first free check-up with my usual dentist”, “move it to Friday morning”, “when is my"
    " next appointment?”, “cancel my appointment” or “which dentists do you have?”."
)
NOT_OTHERS: Final = (
    "I only ever see and change your own appointments, nobody else’s. Other people can sign in"
    " and ask me themselves, or call the practice. Is there something I can do for you?"
)
NOT_UNDERSTOOD: Final = "Sorry, I didn’t understand that."
EMERGENCY: Final = (
    "If you are bleeding heavily, your face is swelling or you have trouble breathing or"
    " swallowing, please call the emergency services now instead of waiting for an appointment."
)
MOVE_KEEPS: Final = (
    "A move keeps the treatment. For another one, cancel this appointment and book a new one. "
)
BUSY: Final = "I can’t reach the practice’s calendar right now."


def name(text: str) -> str:
    """A name from the clinic, fit to be part of a sentence."""
    return readable(text, NAME_MAX_CHARS) or "—"


def dentist_name(facts: Facts, dentist_id: str) -> str:
    dentist = facts.dentist(dentist_id)
    return name(dentist.name) if dentist else "a dentist"


def treatment_name(facts: Facts, appointment_type_id: str | None) -> str:
    treatment = facts.treatment(appointment_type_id)
    return name(treatment.name).lower() if treatment else "appointment"


def day(moment: datetime, now: datetime) -> str:
    """ "Tuesday 16 March", with the year when it is another one; near days by name, too."""
    ahead = (moment.date() - now.date()).days
    near = {0: "today, ", 1: "tomorrow, "}.get(ahead, "")
    year = f" {moment.year}" if moment.year != now.year else ""
    return f"{near}{moment:%A} {moment.day} {moment:%B}{year}"


def _city(zone: str) -> str:
    return zone.rpartition("/")[2].replace("_", " ")


def moment(facts: Facts, item: FreeSlot | OwnAppointment, now: datetime) -> str:
    """ "Tuesday 16 March at 15:00" on the dentist's clock, named if the patient's differs."""
    at = local(facts, item)
    is_own = at.astimezone(ZoneInfo(facts.time_zone)).utcoffset() == at.utcoffset()
    note = "" if is_own else f" ({_city(zone_of(facts, item.dentist_id).key)} time)"
    return f"{day(at, now.astimezone(at.tzinfo))} at {at:%H:%M}{note}"


def appointment(facts: Facts, row: FreeSlot | OwnAppointment, now: datetime) -> str:
    what = treatment_name(facts, row.appointment_type_id)
    return f"{what} with {dentist_name(facts, row.dentist_id)}, {moment(facts, row, now)}"


def listed(items: Sequence[str]) -> str:
    return "\n".join(f"  {number}. {item}" for number, item in enumerate(items, start=1))


def one_of(words: Iterable[str], last: str = "or") -> str:
    every = list(words)
    return f" {last} ".join(filter(None, [", ".join(every[:-1]), *every[-1:]]))


def unclear(words: str) -> str:
    """Asks about words that were seen but not understood."""
    return (
        f"I’m not sure what you mean by “{readable(words, NAME_MAX_CHARS)}”, so I did nothing"
        " with it. Could you put it another way? "
    )


# --- questions ---------------------------------------------------------------------------


def treatment_prompt(facts: Facts) -> ChatReply:
    names = [name(treatment.name) for treatment in facts.treatments]
    return ChatReply(
        text=f"What is it for? We offer {one_of(word.lower() for word in names)}.",
        options=tuple(Option(label=each, say=each) for each in names),
    )


def dentist_prompt(dentists: Sequence[Practitioner]) -> ChatReply:
    names = [name(one.name) for one in dentists]
    return ChatReply(
        text=f"Which dentist would you like? {one_of(names)}, or anyone?",
        options=(
            *(Option(label=each, say=f"with {each}") for each in names),
            Option(label="Anyone", say="any dentist"),
        ),
    )


def time_prompt(task: Task, facts: Facts) -> ChatReply:
    if task.goal is Intent.MOVE:
        question = "When would you like to come instead?"
    else:
        what = f"{treatment_name(facts, task.appointment_type_id)}{who(facts, task.dentist_ids)}"
        question = f"When would you like to come for the {what}?"
    hint = " For example “next Tuesday after 3”, “Friday morning” or “as soon as possible”."
    return ChatReply(
        text=question + hint,
        options=_buttons("As soon as possible", "This week", "Next week"),
    )


def which_prompt(
    goal: Intent, appointments: Sequence[OwnAppointment], facts: Facts, now: datetime
) -> ChatReply:
    shown = [appointment(facts, row, now) for row in appointments]
    return ChatReply(
        text=f"Which one shall I {goal}?\n{listed(shown)}",
        options=_numbers(shown),
    )


def choice_prompt(task: Task, facts: Facts, now: datetime, *, notice: bool = False) -> ChatReply:
    offered = task.offered
    one_dentist = len({slot.dentist_id for slot in offered}) == 1
    shown = [
        moment(facts, slot, now)
        + ("" if one_dentist else f" with {dentist_name(facts, slot.dentist_id)}")
        for slot in offered
    ]
    if len(offered) == 1:
        question, options = "Shall I take it?", _buttons("Yes", "Other times")
    else:
        question = "Which one suits you?"
        options = (*_numbers(shown), *_buttons("Other times"))
    return ChatReply(text=f"{listed(shown)}\n{question}", options=options, notice=notice)


def booking_prompt(hold: Hold, facts: Facts, now: datetime) -> ChatReply:
    until = hold.expires_at.astimezone(ZoneInfo(facts.time_zone))
    return ChatReply(
        text=f"I’m holding this for you until {until:%H:%M}:"
        f" {appointment(facts, hold.slot, now)}. Shall I book it?",
        options=_buttons("Yes, book it", "Another time", "No"),
    )


def change_prompt(task: Task, facts: Facts, now: datetime) -> ChatReply:
    row = task.appointment
    assert row is not None, "a change is confirmed for an appointment"
    if task.chosen is None:
        return ChatReply(
            text=f"Shall I cancel your {appointment(facts, row, now)}?"
            " If you’d rather come another time, say “move it”.",
            options=(
                Option(label="Yes, cancel it", say="yes, cancel it"),
                Option(label="Move it", say="move it"),
                Option(label="No, keep it", say="keep it"),
            ),
        )
    to = moment(facts, task.chosen, now)
    if task.chosen.dentist_id != row.dentist_id:
        to = f"{to} with {dentist_name(facts, task.chosen.dentist_id)}"
    return ChatReply(
        text=f"Shall I move your {treatment_name(facts, row.appointment_type_id)} with"
        f" {dentist_name(facts, row.dentist_id)} from {moment(facts, row, now)} to {to}?",
        options=_buttons("Yes, move it", "Another time", "No"),
    )


def _buttons(*labels: str) -> tuple[Option, ...]:
    """Options that send their own label."""
    return tuple(Option(label=label, say=label.lower()) for label in labels)


def _numbers(shown: Sequence[str]) -> tuple[Option, ...]:
    return tuple(
        Option(label=text, say=f"number {number}") for number, text in enumerate(shown, start=1)
    )


# --- statements ---------------------------------------------------------------------------


def problem(when: When) -> str:
    assert when.problem is not None, "callers have checked that there is one"
    return _PROBLEMS[when.problem].format(readable(when.about, NAME_MAX_CHARS))


_PROBLEMS: Final = {
    TimeProblem.PAST: "That is in the past ({}). ",
    TimeProblem.FAR: "That is too far ahead ({}). ",
    TimeProblem.CONTRADICTION: "I can’t make {} fit together. ",
    TimeProblem.UNREAL: "I don’t know the date or time “{}”. ",
}


def wanted(when: When, facts: Facts, task: Task, now: datetime) -> str:
    """What was looked for, as a part of a sentence: "on Tuesday 16 March after 15:00"."""
    here = now.astimezone(zone_of(facts, task.dentist_ids[0] if task.dentist_ids else ""))
    parts: list[str] = []
    if len(when.days) == 1 and when.days[0].first == when.days[0].last:
        parts.append(f"on {day(datetime.combine(when.days[0].first, here.time()), here)}")
    elif when.days:
        first, last = when.days[0].first, max(days.last for days in when.days)
        parts.append(f"from {first.day} {first:%B} to {last.day} {last:%B}")
    if when.exact:
        parts.append("at " + one_of(f"{clock:%H:%M}" for clock in when.exact))
    if when.time_from is not None:
        parts.append(f"from {when.time_from:%H:%M} on")
    if when.time_to is not None:
        parts.append(f"before {when.time_to:%H:%M}")
    return " ".join(parts)


def who(facts: Facts, dentist_ids: Sequence[str]) -> str:
    return f" with {dentist_name(facts, dentist_ids[0])}" if len(dentist_ids) == 1 else ""


def dentists(facts: Facts) -> str:
    if not facts.dentists:
        return "I see no dentists here yet."
    places = {one.time_zone for one in facts.dentists}
    shown = [
        name(one.name) + (f" ({_city(one.time_zone)})" if len(places) > 1 else "")
        for one in facts.dentists
    ]
    return f"You can see {one_of(shown)}. Just say with whom, or “anyone”."


def treatments(facts: Facts) -> str:
    if not facts.treatments:
        return "There is nothing to be booked here yet."
    shown = [
        f"{name(treatment.name).lower()} ({treatment.minutes} minutes)"
        for treatment in facts.treatments
    ]
    return f"We offer {one_of(shown, 'and')}."


def own_appointments(
    appointments: Sequence[OwnAppointment], facts: Facts, now: datetime
) -> ChatReply:
    if not appointments:
        return ChatReply(
            text="You have no upcoming appointments. Shall I find you one?",
            options=(Option(label="Book an appointment", say="I'd like an appointment"),),
        )
    shown = [appointment(facts, row, now) for row in appointments]
    lead = "You have one appointment:" if len(shown) == 1 else "Your appointments:"
    return ChatReply(text=f"{lead}\n{listed(shown)}")


_REFUSED: Final = {
    "TOO_LATE": "It is too late to change that online. Please call the practice.",
    "TOO_SOON": "That time is too soon to be booked online.",
    "TOO_FAR": "The practice does not take bookings that far ahead yet.",
    "OUTSIDE_AVAILABILITY": "The practice can’t take you at that time.",
    "PATIENT_CONFLICT": "You already have another appointment at that time.",
    "SLOT_TAKEN": "Sorry, somebody else has just taken that time.",
    "RESERVATION_EXPIRED": "The time I held for you has run out.",
    "TOO_MANY_RESERVATIONS": (
        "You are holding as many times as one may at once. They are let go by themselves after a"
        " few minutes; or book one of them first."
    ),
    "TOO_MANY_APPOINTMENTS": (
        "You have as many appointments ahead as can be booked online. I can move or cancel one of"
        " them; for more, please call the practice."
    ),
    "PROFILE_INCOMPLETE": (
        "Before I can book, the practice needs your name, and a telephone number or an e-mail"
        " address. Please enter them in your profile."
    ),
    "INVALID_TRANSITION": "That appointment can’t be changed any more.",
    "NOT_FOUND": "I can’t find that any more.",
    "VERSION_CONFLICT": "That appointment was changed in the meantime.",
    "UNAUTHORIZED": "Your sign-in is no longer valid. Please sign in again.",
    "CONSENT_REQUIRED": "I may not act for you: your consent is missing, or you have ended it.",
    "FORBIDDEN": "I am not allowed to do that for you.",
    "RATE_LIMITED": "That was a little fast for me. Please try again in a moment.",
    "UNREACHABLE": BUSY,
}


def refused(code: str) -> str:
    return _REFUSED.get(code, "That didn’t work just now; nothing was changed. Please try again.")

"""The answers that setting up a practice needs, asked on a terminal or given as flags."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from actors.domain.principal import Role
from actors.domain.refusals import ValidationFailed
from actors.services.founding import NewClinic
from api.schemas import load
from api.schemas.bodies import CREATE_PROFILE
from api.schemas.practices import CREATE_PRACTICE
from hub.setup.places import guessed_region, guessed_zone, machine_zone
from hub.setup.usual import USUAL_TYPES


@dataclass(frozen=True, kw_only=True, slots=True)
class SetupQuestion:
    """One question; its flag is its name with dashes."""

    name: str
    text: str
    example: str
    optional: bool = False

    @property
    def flag(self) -> str:
        return f"--{self.name.replace('_', '-')}"


QUESTIONS: Final = (
    SetupQuestion(name="practice", text="Name of the practice", example="NAME"),
    SetupQuestion(
        name="region", text="Country, for telephone numbers (such as AT)", example="CODE"
    ),
    SetupQuestion(name="time_zone", text="Time zone of the practice", example="ZONE"),
    SetupQuestion(name="phone", text="Telephone of the practice", example="NUMBER", optional=True),
    SetupQuestion(name="dentist", text="Name of the first dentist", example="NAME"),
    SetupQuestion(
        name="dentist_email", text="E-mail of the first dentist", example="E-MAIL", optional=True
    ),
    SetupQuestion(
        name="desk", text="Name of someone at the front desk", example="NAME", optional=True
    ),
    SetupQuestion(name="admin", text="The administrator signs in as", example="ID"),
)

Answers = Mapping[str, str]
Ask = Callable[[SetupQuestion, str], str]
"""Gets a question and its default, and returns what was typed: empty for the default."""
Complain = Callable[[str], None]


class MissingAnswer(Exception):
    """A question without a default that was not answered; the message names its flag."""


class InvalidAnswer(Exception):
    """An answer that cannot be used; the message names its flag."""


def complete(given: Answers, environ: Mapping[str, str]) -> Answers:
    """Every answer, with the defaults of those that were not given. Raises MissingAnswer."""
    answers: dict[str, str] = {}
    for question in QUESTIONS:
        answer = given.get(question.name) or default(question, answers, environ)
        if not answer and not question.optional:
            raise MissingAnswer(f"{question.text.lower()} is needed: give it with {question.flag}")
        answers[question.name] = answer
        check(question, answers)
    return answers


def asked(given: Answers, environ: Mapping[str, str], ask: Ask, complain: Complain) -> Answers:
    """Every answer; what was not given is asked, and asked again until it can be used."""
    answers: dict[str, str] = {}
    for question in QUESTIONS:
        if answer := given.get(question.name):
            answers[question.name] = answer
            check(question, answers)
            continue
        usual = default(question, answers, environ)
        while True:
            answers[question.name] = ask(question, usual).strip() or usual
            try:
                if not answers[question.name] and not question.optional:
                    raise InvalidAnswer("An answer is needed.")
                check(question, answers)
            except InvalidAnswer as error:
                complain(str(error))
            else:
                break
    return answers


def default(question: SetupQuestion, answers: Answers, environ: Mapping[str, str]) -> str:
    """What is proposed; empty if there is nothing to propose."""
    match question.name:
        case "region":
            return guessed_region(environ, machine_zone(environ))
        case "time_zone":
            return guessed_zone(answers["region"], machine_zone(environ))
        case "admin":
            return "admin"
        case _:
            return ""


def check(question: SetupQuestion, answers: Answers) -> None:
    """Raise InvalidAnswer if the answer to the question cannot be used."""
    try:
        match question.name:
            case "practice" | "region" | "time_zone" | "phone":
                usable = {"practice": "-", "time_zone": "UTC"}
                load(CREATE_PRACTICE, _practice(usable | _only(answers, question.name)))
            case "dentist" | "dentist_email":
                load(CREATE_PROFILE, _dentist({"dentist": "-"} | _only(answers, question.name)))
            case "desk" if answers["desk"]:
                load(CREATE_PROFILE, _desk(answers))
            case "admin":
                load(CREATE_PROFILE, _person(Role.STAFF, "-", answers["admin"]))
    except ValidationFailed as error:
        problem = error.details[0].message
        raise InvalidAnswer(f"{question.text} ({question.flag}): {problem}") from None


def new_clinic(answers: Answers, number: int = 1) -> NewClinic:
    """What is to be written for the practice of this number. The answers must be complete.

    The types of the first practice are offered at every other one.
    """
    people = [_dentist(answers, number), *([_desk(answers, number)] if answers["desk"] else [])]
    return NewClinic(
        practice=load(CREATE_PRACTICE, _practice(answers)),
        people=tuple(load(CREATE_PROFILE, each) for each in people),
        types=USUAL_TYPES if number == 1 else (),
    )


def _only(answers: Answers, name: str) -> dict[str, str]:
    return {name: answers[name]}


def _practice(answers: Answers) -> dict[str, object]:
    return {
        "name": answers["practice"],
        "time_zone": answers["time_zone"],
        "region": answers.get("region") or None,
        "phone": answers.get("phone") or None,
    }


def _dentist(answers: Answers, number: int = 1) -> dict[str, object]:
    email = answers.get("dentist_email") or None
    subject = email or _numbered("dentist", number)
    return {**_person(Role.DENTIST, answers["dentist"], subject), "email": email}


def _desk(answers: Answers, number: int = 1) -> dict[str, object]:
    return _person(Role.STAFF, answers["desk"], _numbered("desk", number))


def _person(role: Role, name: str, subject: str) -> dict[str, object]:
    return {"role": str(role), "name": name, "subject": subject}


def _numbered(word: str, number: int) -> str:
    return word if number == 1 else f"{word}-{number}"

"""One step of the dialogue while it is computed: the new state, replies and effects so far."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TypeVar

from chairside.chatbot.clinic import Facts, OwnAppointment
from chairside.chatbot.dialogue import sentences
from chairside.chatbot.dialogue.offers import local
from chairside.chatbot.dialogue.state import SEEN_MAX, ChatReply, DialogueState, Stage, Task
from chairside.chatbot.patient_calendar import PatientCalendar

T = TypeVar("T")

Continuation = Callable[["Exchange"], None]
"""What the next step does."""


class Purpose(StrEnum):
    """What an effect is for; it decides how the dialogue continues if the effect fails."""

    LOOK_UP = "look_up"
    """The task stays as it is."""
    PREPARE = "prepare"
    CHANGE = "change"
    """Without an answer it is unknown whether the change was made."""


@dataclass(frozen=True, slots=True)
class Effect:
    """A call of the patient's calendar, for the shell to make."""

    run: Callable[[PatientCalendar], Awaitable[Continuation]]
    """Raises HubError, ConnectionLost."""
    purpose: Purpose


class Exchange:
    """Collects the outcome of one step; ``lead`` is the beginning of the next reply.

    ``releases`` are holds (id and idempotency key) that are released before ``effect`` is run.
    """

    def __init__(self, state: DialogueState, facts: Facts, now: datetime) -> None:
        self.state, self.facts, self.now = state, facts, now
        self.replies: list[ChatReply] = []
        self.releases: list[tuple[str, str]] = []
        self.effect: Effect | None = None
        self.lead = ""

    @property
    def task(self) -> Task:
        assert self.state.task is not None, "callers have checked that there is a task"
        return self.state.task

    # --- state ----------------------------------------------------------------------------

    def remember(self, **changes: object) -> None:
        """Change fields of the state."""
        self.state = replace(self.state, **changes)  # type: ignore[arg-type]  # its own field names

    def update(self, **changes: object) -> Task:
        """Change fields of the task."""
        task = replace(self.task, **changes)  # type: ignore[arg-type]  # its own field names
        self.remember(task=task)
        return task

    def begin(self, task: Task) -> None:
        self.drop_hold()
        self.remember(task=task)

    def end(self) -> None:
        self.drop_hold()
        self.remember(task=None)

    def mark_seen(self, *appointments: OwnAppointment) -> None:
        """The patient knows these versions: no notice is due about them."""
        seen = dict(self.state.seen)
        for row in appointments:
            seen.pop(row.id, None)
            seen[row.id] = row.version
        self.remember(seen=tuple(seen.items())[-SEEN_MAX:])

    def new_key(self) -> str:
        """An idempotency key for this conversation's next command."""
        self.remember(commands=self.state.commands + 1)
        return f"chat:{self.state.id}:{self.state.commands}"

    def upcoming(self, appointments: Sequence[OwnAppointment]) -> tuple[OwnAppointment, ...]:
        return tuple(
            row for row in appointments if row.status == "confirmed" and row.start > self.now
        )

    def name(self, row: OwnAppointment) -> str:
        """As it is named in a sentence."""
        return sentences.appointment(self.facts, row, self.now)

    def local(self, appointment: OwnAppointment) -> datetime:
        return local(self.facts, appointment)

    # --- replies --------------------------------------------------------------------------

    def reply(self, text: str, *, notice: bool = False) -> None:
        self.show(ChatReply(text=text, notice=notice))

    def show(self, reply: ChatReply) -> None:
        self.replies.append(replace(reply, text=self.lead + reply.text))
        self.lead = ""

    def show_offer(self, lead: str, *, notice: bool = False) -> None:
        """Show the offered times to choose from."""
        self.lead = f"{lead}\n"
        self.show(sentences.choice_prompt(self.task, self.facts, self.now, notice=notice))

    def prompt(self, lead: str = "") -> None:
        """Show the task's open question."""
        self.lead += lead
        task, facts, now = self.task, self.facts, self.now
        match task.stage:
            case Stage.TREATMENT:
                self.show(sentences.treatment_prompt(facts))
            case Stage.DENTIST:
                self.show(sentences.dentist_prompt(facts.dentists))
            case Stage.WHEN:
                self.show(sentences.time_prompt(task, facts))
            case Stage.WHICH:
                self.show(sentences.which_prompt(task.goal, self.state.listed, facts, now))
            case Stage.CHOOSE:
                self.show_offer(self.lead or "These times are free:")
            case Stage.CONFIRM if task.appointment is None:
                if task.hold is not None:
                    self.show(sentences.booking_prompt(task.hold, facts, now))
            case Stage.CONFIRM:
                self.show(sentences.change_prompt(task, facts, now))

    # --- effects --------------------------------------------------------------------------

    def emit(
        self,
        call: Callable[[PatientCalendar], Awaitable[T]],
        then: Callable[["Exchange", T], None],
        purpose: Purpose,
    ) -> None:
        """End the step with this call; ``then`` is the next step, with its result."""

        async def run(calendar: PatientCalendar) -> Continuation:
            result = await call(calendar)
            return lambda exchange: then(exchange, result)

        assert self.effect is None, "a step waits for one result"
        self.effect = Effect(run, purpose)

    def drop_hold(self) -> None:
        """Release what is held for a task that will not need it."""
        task = self.state.task
        if task is None or task.hold is None:
            return
        if task.hold.expires_at > self.now:
            self.releases.append((task.hold.id, self.new_key()))
        self.update(hold=None)

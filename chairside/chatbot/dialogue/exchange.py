"""One step of the dialogue while it is computed: the new state, replies and effects so far."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from chairside.chatbot.clinic import Facts, OwnAppointment
from chairside.chatbot.dialogue import sentences
from chairside.chatbot.dialogue.offers import local
from chairside.chatbot.dialogue.state import (
    SEEN_MAX,
    ChatReply,
    DialogueState,
    DialogueStep,
    DropHold,
    Effect,
    FindOwnAppointments,
    Option,
    PlaceHold,
    Stage,
    Task,
    Waiting,
)


class Exchange:
    """Collects the step; ``lead`` is the beginning of the next prompt."""

    def __init__(self, state: DialogueState, facts: Facts, now: datetime) -> None:
        self.state, self.facts, self.now = state, facts, now
        self._replies: list[ChatReply] = []
        self._effects: list[Effect] = []
        self.lead = ""

    def step(self) -> DialogueStep:
        return DialogueStep(
            state=self.state, replies=tuple(self._replies), effects=tuple(self._effects)
        )

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
        self.remember(task=None, waiting=None)

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

    def reply(self, text: str, options: tuple[Option, ...] = (), *, notice: bool = False) -> None:
        self.show(ChatReply(text=text, options=options, notice=notice))

    def show(self, reply: ChatReply) -> None:
        self._replies.append(reply)
        self.lead = ""

    def show_offer(self, lead: str, *, notice: bool = False) -> None:
        """Show the offered times to choose from."""
        self.show(sentences.choice_prompt(self.task, self.facts, self.now, lead, notice=notice))

    def prompt(self) -> None:
        """Show the task's open question."""
        task, facts, now, lead = self.task, self.facts, self.now, self.lead
        match task.stage:
            case Stage.TREATMENT:
                self.show(sentences.treatment_prompt(facts, lead))
            case Stage.DENTIST:
                self.show(sentences.dentist_prompt(facts.dentists, lead))
            case Stage.WHEN:
                self.show(sentences.time_prompt(task, facts, lead))
            case Stage.WHICH:
                self.show(sentences.which_prompt(task.goal, self.state.listed, facts, now, lead))
            case Stage.CHOOSE:
                self.show_offer(lead or "These times are free:")
            case Stage.CONFIRM if task.appointment is None:
                if task.hold is not None:
                    self.show(sentences.booking_prompt(task.hold, facts, now, lead))
            case Stage.CONFIRM if task.chosen is not None:
                self.show(sentences.move_prompt(task, facts, now, lead))
            case Stage.CONFIRM:
                assert task.appointment is not None
                self.show(sentences.cancel_prompt(task.appointment, facts, now, lead))

    # --- effects --------------------------------------------------------------------------

    def emit(self, effect: Effect, waiting: Waiting) -> None:
        self._effects.append(effect)
        self.remember(waiting=waiting)

    def find_own(self, waiting: Waiting) -> None:
        self.emit(FindOwnAppointments(), waiting)

    def hold_chosen(self) -> None:
        assert self.task.chosen is not None
        self.emit(PlaceHold(self.task.chosen, self.new_key()), Waiting.HOLD)

    def drop_hold(self) -> None:
        """Release what is held for a task that will not need it."""
        task = self.state.task
        if task is None or task.hold is None:
            return
        if task.hold.expires_at > self.now:
            self._effects.append(DropHold(task.hold.id, self.new_key()))
        self.update(hold=None)

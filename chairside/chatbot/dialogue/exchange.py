"""One step of the machine while it is taken: what to remember, to say and to do so far."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from chairside.chatbot.clinic import Facts, OwnAppointment
from chairside.chatbot.dialogue import sentences
from chairside.chatbot.dialogue.offers import local
from chairside.chatbot.dialogue.state import (
    KNOWN_MAX,
    ChatReply,
    DialogueState,
    DialogueStep,
    DropHold,
    Effect,
    FindOwnAppointments,
    FindSlots,
    Option,
    PlaceHold,
    Stage,
    Task,
    Waiting,
)


class Exchange:
    """Collects; nothing of it outlives the step. ``lead`` begins the next question."""

    def __init__(self, state: DialogueState, facts: Facts, now: datetime) -> None:
        self.state, self.facts, self.now = state, facts, now
        self._say: list[ChatReply] = []
        self._do: list[Effect] = []
        self.lead = ""

    def step(self) -> DialogueStep:
        return DialogueStep(state=self.state, say=tuple(self._say), do=tuple(self._do))

    @property
    def task(self) -> Task:
        assert self.state.task is not None, "only asked for while there is one"
        return self.state.task

    # --- remembering ----------------------------------------------------------------------

    def remember(self, **changes: Any) -> None:
        self.state = replace(self.state, **changes)

    def update(self, **changes: Any) -> Task:
        """Change the task."""
        task = replace(self.task, **changes)
        self.remember(task=task)
        return task

    def begin(self, task: Task) -> None:
        self.drop_hold()
        self.remember(task=task)

    def end(self) -> None:
        self.drop_hold()
        self.remember(task=None, waiting=None)

    def know(self, appointment: OwnAppointment) -> None:
        """The patient has heard of this version."""
        others = [pair for pair in self.state.known if pair[0] != appointment.id]
        self.remember(known=(*others, (appointment.id, appointment.version))[-KNOWN_MAX:])

    def new_key(self) -> str:
        """An idempotency key of this conversation's next step."""
        self.remember(turn=self.state.turn + 1)
        return f"chat:{self.state.id}:{self.state.turn}"

    # --- saying ---------------------------------------------------------------------------

    def say(self, text: str, options: tuple[Option, ...] = (), *, notice: bool = False) -> None:
        self.ask(ChatReply(text=text, options=options, notice=notice))

    def ask(self, reply: ChatReply) -> None:
        self._say.append(reply)
        self.lead = ""

    def has_spoken(self) -> bool:
        return bool(self._say)

    # --- doing ----------------------------------------------------------------------------

    def do(self, command: Effect, waiting: Waiting) -> None:
        self._do.append(command)
        self.remember(waiting=waiting)

    def look_up_mine(self, waiting: Waiting) -> None:
        self.do(FindOwnAppointments(), waiting)

    def find(self, command: FindSlots, waiting: Waiting) -> None:
        self.do(command, waiting)

    def hold_chosen(self) -> None:
        assert self.task.chosen is not None
        self.do(PlaceHold(self.task.chosen, self.new_key()), Waiting.HOLD)

    def drop_hold(self) -> None:
        """Give back what is held for a task that will not need it."""
        task = self.state.task
        if task is None or task.hold is None:
            return
        if task.hold.expires_at > self.now:
            self._do.append(DropHold(task.hold.id, self.new_key()))
        self.update(hold=None)

    # --- the current question, once more ------------------------------------------------------

    def upcoming(self, appointments: tuple[OwnAppointment, ...]) -> tuple[OwnAppointment, ...]:
        return tuple(
            row for row in appointments if row.status == "confirmed" and row.start > self.now
        )

    def local(self, appointment: OwnAppointment) -> datetime:
        return local(self.facts, appointment)

    def ask_again(self) -> None:
        """The open question of the task."""
        task, facts, now, lead = self.task, self.facts, self.now, self.lead
        match task.stage:
            case Stage.TREATMENT:
                self.ask(sentences.ask_kind(facts, lead))
            case Stage.DENTIST:
                self.ask(sentences.ask_dentist(facts.dentists, lead))
            case Stage.WHEN:
                self.ask(sentences.ask_when(task, facts, lead))
            case Stage.WHICH:
                appointments = self.state.listed
                self.ask(sentences.ask_which(task.goal, appointments, facts, now, lead))
            case Stage.CHOOSE:
                self.ask(sentences.ask_choice(task, facts, now, lead or "These times are free:"))
            case Stage.CONFIRM if task.appointment is None:
                if task.hold is not None:
                    self.ask(sentences.ask_booking(task.hold, facts, now, lead))
            case Stage.CONFIRM if task.chosen is not None:
                self.ask(sentences.ask_move(task, facts, now, lead))
            case Stage.CONFIRM:
                assert task.appointment is not None
                self.ask(sentences.ask_cancel(task.appointment, facts, now, lead))

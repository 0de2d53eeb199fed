"""The plan of one batch: commands decided in order, each on what the former ones left.

A plan is a value. It becomes memory only after its commit; if the commit fails, the plan
is dropped and nothing has to be undone (memory follows commit).
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from actors.calendar.mailbox import Ask
from actors.domain.announcements import announcements
from actors.domain.calendar import Calendar, evolve
from actors.domain.decide import Decision, decide
from actors.domain.ids import AppointmentTypeId
from actors.domain.refusals import IdempotencyMismatch, Refusal
from actors.ports.commits import IdempotencyKey, Reply, Turn

KeyId = tuple[str, str]
Known = Callable[[IdempotencyKey], tuple[str, Reply] | None]
"""Looks a key up among the replies already given: its fingerprint and the reply."""


def key_id(key: IdempotencyKey) -> KeyId:
    return key.scope, key.key


@dataclass(slots=True)
class Plan:
    calendar: Calendar
    """Speculative: what the calendar is once ``turns`` are committed."""
    turns: list[Turn] = field(default_factory=list)
    askers: list[list[Ask]] = field(default_factory=list)
    """For each turn, who gets its reply: the first asker and the twins of its key."""
    answers: list[tuple[Ask, Reply | Refusal]] = field(default_factory=list)
    """Refusals and known replies: released with the rest, for they may rest on it."""

    def types(self) -> Mapping[AppointmentTypeId, int]:
        """The versions of the appointment types that the decisions may rest on."""
        return {kind.id: kind.version for kind in self.calendar.types.values()}


def plan_batch(
    calendar: Calendar,
    asks: Sequence[Ask],
    now: datetime,
    *,
    known: Known,
    forced: Mapping[Ask, Reply | Refusal],
) -> Plan:
    """Decide every command; ``forced`` holds what the committer already said of some."""
    plan = Plan(calendar)
    keys: dict[KeyId, int] = {}
    for ask in asks:
        if ask in forced:
            plan.answers.append((ask, forced[ask]))
            continue
        try:
            _plan_one(plan, keys, ask, now, known)
        except Refusal as refusal:
            plan.answers.append((ask, refusal))
    return plan


def _plan_one(plan: Plan, keys: dict[KeyId, int], ask: Ask, now: datetime, known: Known) -> None:
    twin = keys.get(key_id(ask.key))
    if twin is not None:
        _check_same(ask.key, plan.turns[twin].key.fingerprint)
        plan.askers[twin].append(ask)
        return
    if given := known(ask.key):
        _check_same(ask.key, given[0])
        plan.answers.append((ask, given[1]))
        return
    decision = decide(ask.command, plan.calendar, now)
    if not decision.events and decision.reply is None and ask.key.internal:
        plan.answers.append((ask, _empty_reply(decision)))  # nothing to write, nothing to show
        return
    for event in decision.events:
        plan.calendar = evolve(plan.calendar, event)
    keys[key_id(ask.key)] = len(plan.turns)
    plan.turns.append(_turn(ask, decision, now))
    plan.askers.append([ask])


def _check_same(key: IdempotencyKey, fingerprint: str) -> None:
    if key.fingerprint != fingerprint:
        raise IdempotencyMismatch


def _empty_reply(decision: Decision) -> Reply:
    return Reply(
        outcome=decision.outcome,
        resource_id=decision.resource_id,
        version=decision.version,
        body=b"",
    )


def _turn(ask: Ask, decision: Decision, now: datetime) -> Turn:
    return Turn(
        by=ask.command.by,
        at=now,
        request_id=ask.request_id,
        key=ask.key,
        events=decision.events,
        announcements=announcements(decision.events),
        outcome=decision.outcome,
        resource_id=decision.resource_id,
        version=decision.version,
        reply=decision.reply,
    )

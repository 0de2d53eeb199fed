"""The plan of a batch: each command decided on the state that the ones before it left.

A plan is a value. Its state replaces the calendar in memory only after its commit. If the
commit fails, the plan is dropped, and there is nothing to undo.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from actors.calendar.mailbox import PendingCommand
from actors.domain.announcements import announcements
from actors.domain.calendar import Calendar, evolve
from actors.domain.decide import decide
from actors.domain.refusals import IdempotencyMismatch, Refusal
from actors.ports.commits import IdempotencyKey, Reply, Turn

KeyId = tuple[str, str]
Replies = Mapping[KeyId, tuple[str, Reply]]
"""The replies already given by key, each with the fingerprint of its request."""


def key_id(key: IdempotencyKey) -> KeyId:
    return key.scope, key.key


@dataclass(slots=True)
class BatchPlan:
    """The turns to commit, and the answers to give once they are committed."""

    calendar: Calendar
    """What the calendar is once ``turns`` are committed."""
    turns: list[Turn] = field(default_factory=list)
    waiting: list[list[PendingCommand]] = field(default_factory=list)
    """For each turn, the commands that get its reply: the one that was decided, then its
    repetitions under the same key."""
    answers: list[tuple[PendingCommand, Reply | Refusal]] = field(default_factory=list)
    """Refusals and repeated replies. They may rest on turns of this batch, so they are given
    after its commit, too."""


def plan_batch(
    calendar: Calendar,
    commands: Sequence[PendingCommand],
    now: datetime,
    *,
    replies: Replies,
    answered: Mapping[PendingCommand, Reply | Refusal],
) -> BatchPlan:
    """Decide every command; ``answered`` holds those that the committer has answered."""
    plan = BatchPlan(calendar)
    turn_of: dict[KeyId, int] = {}
    for pending in commands:
        if pending in answered:
            plan.answers.append((pending, answered[pending]))
            continue
        try:
            _plan_one(plan, turn_of, pending, now, replies)
        except Refusal as refusal:
            plan.answers.append((pending, refusal))
    return plan


def _plan_one(
    plan: BatchPlan,
    turn_of: dict[KeyId, int],
    pending: PendingCommand,
    now: datetime,
    replies: Replies,
) -> None:
    key = key_id(pending.key)
    same_key = turn_of.get(key)
    if same_key is not None:
        _check_same_request(pending.key, plan.turns[same_key].key.fingerprint)
        plan.waiting[same_key].append(pending)
        return
    if found := replies.get(key):
        fingerprint, reply = found
        _check_same_request(pending.key, fingerprint)
        plan.answers.append((pending, reply))
        return
    decision = decide(pending.command, plan.calendar, now)
    outcome, resource_id, version = decision.outcome, decision.resource_id, decision.version
    if not decision.events and decision.reply is None and pending.key.internal:
        empty = Reply(outcome=outcome, resource_id=resource_id, version=version, body=b"")
        plan.answers.append((pending, empty))  # there is nothing to write
        return
    for event in decision.events:
        plan.calendar = evolve(plan.calendar, event)
    turn_of[key] = len(plan.turns)
    plan.turns.append(
        Turn(
            by=pending.command.by,
            at=now,
            request_id=pending.request_id,
            key=pending.key,
            events=decision.events,
            announcements=announcements(decision.events),
            outcome=outcome,
            resource_id=resource_id,
            version=version,
            reply=decision.reply,
        )
    )
    plan.waiting.append([pending])


def _check_same_request(key: IdempotencyKey, fingerprint: str) -> None:
    if key.fingerprint != fingerprint:
        raise IdempotencyMismatch

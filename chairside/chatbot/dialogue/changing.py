"""Moving and cancelling: which appointment, and then what. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from chairside.chatbot.clinic import Slot, Visit
from chairside.chatbot.dialogue import finding, sentences
from chairside.chatbot.dialogue.exchange import Turn
from chairside.chatbot.dialogue.state import (
    LISTED_MAX,
    CancelVisit,
    Goal,
    MoveVisit,
    Stage,
    Task,
    Waiting,
)
from chairside.chatbot.understanding.acts import LAST, Intent, Shift, Wish
from chairside.chatbot.understanding.when import When, on


def begin(turn: Turn, goal: Goal, wish: Wish) -> None:
    turn.begin(Task(goal=goal, stage=Stage.WHICH, wish=wish, when=wish.when))
    turn.look_up_mine(Waiting.PICK)


def mine_found(turn: Turn, visits: tuple[Visit, ...]) -> None:
    """Find the appointment that is meant among the upcoming ones."""
    goal, wish = turn.task.goal, turn.task.wish
    upcoming = turn.upcoming(visits)
    for row in upcoming:
        turn.know(row)
    if not upcoming:
        turn.end()
        turn.say(f"{turn.lead}You have no upcoming appointment that I could {goal}.")
        return
    fit = _meant(turn, upcoming, wish)
    if len(fit) == 1 and not wish.everything:
        picked(turn, fit[0])
        return
    verb = "cancel" if goal is Goal.CANCEL else "move"
    if wish.everything and len(upcoming) > 1:
        turn.lead += f"I {verb} one at a time, so that nothing goes by mistake. "
    elif not fit:
        turn.lead += "I see no appointment of yours like that. "
    shown = tuple(fit or upcoming)[:LISTED_MAX]
    turn.remember(listed=shown)
    turn.update(stage=Stage.WHICH, wish=replace(wish, which=When(), everything=False))
    turn.ask_again()


def _meant(turn: Turn, upcoming: Sequence[Visit], wish: Wish) -> list[Visit]:
    listed = turn.state.listed
    if wish.number is not None and listed:
        index = len(listed) - 1 if wish.number == LAST else wish.number - 1
        ids = {row.id for row in listed[index : index + 1]}
        return [row for row in upcoming if row.id in ids]
    if wish.number in (1, LAST) or wish.extreme is not None:
        last = wish.number == LAST or wish.extreme is Shift.LATER
        return [upcoming[-1 if last else 0]]
    found = [row for row in upcoming if wish.which.allows(turn.local(row))]
    if wish.kind:
        found = [row for row in found if row.kind_id == wish.kind]
    if wish.dentists:
        found = [row for row in found if row.dentist_id in wish.dentists]
    said = not wish.which.is_empty or wish.kind or wish.dentists or wish.unknown_dentist
    recent = turn.state.last
    if len(found) > 1 and not said and recent is not None:
        found = [row for row in found if row.id == recent.id] or found
    return [] if wish.unknown_dentist else found


def picked(turn: Turn, visit: Visit) -> None:
    """It is this appointment: cancel it after a yes, or look where it can go."""
    task = turn.update(visit=visit, kind_id=visit.kind_id, dentist_ids=(visit.dentist_id,))
    turn.remember(last=visit)
    if task.goal is Goal.CANCEL:
        turn.update(stage=Stage.CONFIRM)
        turn.ask_again()
        return
    _where_to(turn, visit, task.wish)
    finding.search(turn)


def _where_to(turn: Turn, visit: Visit, wish: Wish) -> None:
    """ "an hour later", "a week later", "earlier": seen from where it is."""
    at = turn.local(visit)
    if wish.by is not None:
        there = at + wish.by
        turn.update(when=replace(on(there.date()), at=there.time()))
    elif wish.when.has_time and not wish.when.has_day and not wish.when.problem:
        turn.update(when=replace(wish.when, days=on(at.date()).days))
    elif wish.shift in (Shift.LATER, Shift.EARLIER) and wish.when.is_empty:
        edge = Slot(dentist_id=visit.dentist_id, kind_id=visit.kind_id, start=visit.start,
                    end=visit.end)  # fmt: skip
        turn.update(offered=(edge,))
        finding.refine(turn, Wish(intent=Intent.INFORM, shift=wish.shift))
        turn.update(offered=())


def detail(turn: Turn, wish: Wish) -> bool:
    """Details for a change under way; whether it took any."""
    task = turn.task
    if task.stage is Stage.WHICH:
        told = not wish.when.is_empty or wish.number or wish.kind or wish.dentists or wish.extreme
        if not told:
            return False
        which = (
            wish.which if not wish.which.is_empty else replace(wish.when, problem=None, about="")
        )
        changed = replace(
            task.wish,
            which=which,
            number=wish.number,
            extreme=wish.extreme,
            kind=wish.kind,
            dentists=wish.dentists,
            everything=False,
            unknown_dentist=None,
        )
        turn.update(wish=changed)
        turn.look_up_mine(Waiting.PICK)
        return True
    if task.goal is Goal.CANCEL:
        return False
    if finding.answer(turn, wish):
        return True
    if wish.by is not None and task.visit is not None:
        turn.drop_hold()
        turn.update(chosen=None, offered=())
        _where_to(turn, task.visit, wish)
        finding.search(turn)
        return True
    if finding.refine(turn, wish):
        finding.search(turn)
        return True
    return False


def confirm(turn: Turn) -> None:
    task = turn.task
    assert task.visit is not None, "a change is confirmed for an appointment"
    key = task.key or turn.new_key()
    turn.update(key=key)
    if task.goal is Goal.CANCEL:
        turn.do(CancelVisit(task.visit, key), Waiting.DO)
    else:
        assert task.chosen is not None, "a move has somewhere to go"
        turn.do(MoveVisit(task.visit, task.chosen.start, key), Waiting.DO)


def moved(turn: Turn, visit: Visit) -> None:
    turn.update(hold=None)  # the move itself let it go
    turn.know(visit)
    turn.remember(task=None, last=visit)
    turn.say(f"Done. It is now: {sentences.visit(turn.facts, visit, turn.now)}.")


def cancelled(turn: Turn) -> None:
    visit = turn.task.visit
    assert visit is not None
    turn.know(replace(visit, version=visit.version + 1))
    turn.remember(task=None, last=None, listed=())
    turn.say(f"Cancelled: {sentences.visit(turn.facts, visit, turn.now)}.")

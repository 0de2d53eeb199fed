"""Booking a new appointment: what for, with whom, when. Pure."""

from collections import Counter
from dataclasses import replace

from chairside.chatbot.clinic import Visit
from chairside.chatbot.dialogue import finding, sentences
from chairside.chatbot.dialogue.exchange import Turn
from chairside.chatbot.dialogue.state import BookHold, Goal, Stage, Task, Waiting
from chairside.chatbot.understanding.acts import Wish
from chairside.chatbot.understanding.when import When, on


def begin(turn: Turn, wish: Wish) -> None:
    """A wish to book; what was said before about another one is forgotten."""
    when = wish.when
    if wish.urgent and when.is_empty:
        when = When(soonest=True)
    task = Task(
        goal=Goal.BOOK,
        stage=Stage.KIND,
        wish=wish,
        kind_id=wish.kind,
        dentist_ids=wish.dentists if len(wish.dentists) == 1 else (),
        when=when,
    )
    last = turn.state.last
    if wish.by is not None and last is not None:  # "another one, two weeks later"
        there = turn.local(last) + wish.by
        task = replace(
            task,
            kind_id=task.kind_id or last.kind_id,
            dentist_ids=task.dentist_ids or (last.dentist_id,),
            when=replace(on(there.date()), at=there.time()),
        )
    turn.begin(task)
    if wish.urgent:
        turn.say(sentences.EMERGENCY)
    advance(turn)


def advance(turn: Turn) -> None:
    """Ask for what is missing, one thing at a time; then look for times."""
    task, facts = turn.task, turn.facts
    wish = task.wish
    if wish.unknown_kind and not task.kind_id:
        turn.lead += f"We don’t offer {sentences.name(wish.unknown_kind)} here. "
    if task.kind_id is None and len(facts.kinds) == 1:
        task = turn.update(kind_id=facts.kinds[0].id)
    if task.kind_id is None:
        turn.update(stage=Stage.KIND, wish=replace(wish, unknown_kind=None))
        turn.ask(sentences.ask_kind(facts, turn.lead))
    elif wish.unknown_dentist and not task.dentist_ids:
        named = sentences.name(wish.unknown_dentist).title()
        turn.update(stage=Stage.DENTIST, wish=replace(wish, unknown_dentist=None))
        turn.lead += f"I know no Dr. {named} here. "
        turn.ask_again()
    elif len(wish.dentists) > 1 and not task.dentist_ids:
        several = [one for one in facts.dentists if one.id in wish.dentists]
        turn.update(stage=Stage.DENTIST, wish=replace(wish, dentists=()))
        turn.ask(sentences.ask_dentist(several, turn.lead))
    elif wish.usual_dentist and not task.dentist_ids:
        turn.look_up_mine(Waiting.USUAL)
    else:
        finding.search(turn)


def usual_found(turn: Turn, visits: tuple[Visit, ...]) -> None:
    """The dentist seen most often, the latest of those; without any visit, ask."""
    known = {one.id for one in turn.facts.dentists}
    seen = Counter(
        row.dentist_id
        for row in visits
        if row.dentist_id in known and row.status not in ("cancelled", "no_show")
    )
    turn.update(wish=replace(turn.task.wish, usual_dentist=False))
    if not seen:
        turn.update(stage=Stage.DENTIST)
        turn.lead += "I don’t see an earlier visit of yours. "
        turn.ask_again()
        return
    most = max(seen.values())
    usual = next(row.dentist_id for row in reversed(visits) if seen[row.dentist_id] == most)
    turn.update(dentist_ids=(usual,))
    advance(turn)


def detail(turn: Turn, wish: Wish) -> bool:
    """Details for a booking under way; whether it took any."""
    task = turn.task
    if finding.answer(turn, wish):
        return True
    refined = finding.refine(turn, wish)
    unheard = wish.usual_dentist or wish.unknown_dentist or wish.unknown_kind
    if unheard or (task.stage is Stage.DENTIST and wish.any_dentist) or len(wish.dentists) > 1:
        turn.drop_hold()
        ids = () if unheard or len(wish.dentists) > 1 else turn.task.dentist_ids
        turn.update(
            dentist_ids=ids,
            wish=replace(
                task.wish,
                usual_dentist=wish.usual_dentist,
                unknown_dentist=wish.unknown_dentist,
                unknown_kind=wish.unknown_kind,
                dentists=wish.dentists if len(wish.dentists) > 1 else (),
            ),
        )
        if wish.unknown_kind:
            turn.update(kind_id=None)
        refined = True
    if refined:
        advance(turn)
    return refined


def confirm(turn: Turn) -> None:
    task = turn.task
    assert task.hold is not None, "a booking is confirmed for a hold"
    key = task.key or turn.new_key()
    turn.update(key=key)
    turn.do(BookHold(task.hold.id, key), Waiting.DO)


def booked(turn: Turn, visit: Visit) -> None:
    turn.update(hold=None)
    turn.know(visit)
    turn.remember(task=None, last=visit)
    turn.say(f"Booked: {sentences.visit(turn.facts, visit, turn.now)}. See you then!")

"""Finds patients by the beginnings of their words, the best match first."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    CompoundSelect,
    Select,
    and_,
    func,
    literal_column,
    or_,
    select,
    true,
    union_all,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from actors.domain.ids import PracticeId, ProfileId
from actors.domain.patient_query import PatientQuery, Term
from actors.domain.patient_words import AFTER_WHOLE_NAMES, WHOLE_NAME
from actors.ports.profiles import FOUND_MAX, ProfilePage
from store.sql.codec import PROFILE
from store.sql.schema import patient_words, profiles
from store.sql.types import strpos

CANDIDATES_MAX = 2_000
"""People who are looked at, if several terms must hold."""
_p, _w = profiles.c, patient_words.c
_AFTER_ALL = "\U0010ffff"
"""Sorts after every character that a word has."""
_ONE: ColumnElement[int] = literal_column("1")


class Match(NamedTuple):
    order: str
    id: ProfileId
    """With ``order`` the place in the list: best first, then by name."""


async def search_practice(
    connection: AsyncConnection, practice: PracticeId, query: PatientQuery
) -> Sequence[Match]:
    """Those of a practice for whom all terms hold, read as a caller who sees its words.

    If that are more than ``FOUND_MAX``, those whose words come first. It looks at no more than
    ``CANDIDATES_MAX`` people who have the rarest of the words.
    """
    terms: Sequence[Term] = query.terms
    if not terms:
        return ()
    limit = FOUND_MAX
    if len(terms) > 1:
        terms, limit = await _rarest_first(connection, practice, terms), CANDIDATES_MAX
    among = _beginning_with(practice, terms[0], limit).subquery("among").c.patient_id
    others = (_has(among, practice, term.beginnings, begins=True) for term in terms[1:])
    found = select(among).where(*others).distinct().limit(FOUND_MAX).subquery("found").c.patient_id
    name = patient_words.alias("name").c
    reading = select(
        name.patient_id,
        func.substr(name.word, 2),
        and_(
            true(),
            *(_has(name.patient_id, practice, t.names, begins=False) for t in query.of_names),
        ),
    ).where(
        name.patient_id == found,
        name.practice_id == practice,
        name.word >= WHOLE_NAME,
        name.word < AFTER_WHOLE_NAMES,
    )
    return _sorted(query, (await connection.execute(reading)).all())


async def search_among(
    connection: AsyncConnection, query: PatientQuery, own: ColumnElement[bool]
) -> Sequence[Match]:
    """The same among a small set of people, all of whom it looks at."""
    if not query.terms:
        return ()
    holds = (
        or_(*(strpos(_p.search_text, f"\n{each}") > 0 for each in term.beginnings))
        for term in query.terms
    )
    whole = (
        or_(*(strpos(_p.search_text, f"\n{each}\n") > 0 for each in term.names))
        for term in query.of_names
    )
    reading = select(_p.id, _p.name, and_(true(), *whole)).where(own, *holds).limit(FOUND_MAX)
    return _sorted(query, (await connection.execute(reading)).all())


def _sorted(query: PatientQuery, found: Iterable[Sequence[Any]]) -> Sequence[Match]:
    """Of rows with an id, a name, and whether what was typed are whole words of the name."""
    return sorted(Match(f"{query.rank(name, whole)}{name}", id_) for id_, name, whole in found)


async def page_of(
    connection: AsyncConnection,
    matches: Sequence[Match],
    *,
    limit: int,
    after: tuple[str, ProfileId] | None,
) -> ProfilePage:
    rest = [each for each in matches if not after or each > after]
    ids = [each.id for each in rest[:limit]]
    is_shown = _p.search_text.is_not(None)  # not only the name, of someone who was booked
    reading = select(*PROFILE.columns).where(_p.id.in_(ids), is_shown)
    rows = (await connection.execute(reading)).all() if ids else ()
    people = {profile.id: profile for profile in map(PROFILE.read, rows)}
    last = rest[limit - 1] if len(rest) > limit else None
    return ProfilePage(
        profiles=tuple(people[id_] for id_ in ids if id_ in people),
        total=len(matches),
        next_after=last,
    )


async def _rarest_first(
    connection: AsyncConnection, practice: PracticeId, terms: Sequence[Term]
) -> Sequence[Term]:
    """The terms by how many words begin with them; beyond the limit, all count the same."""
    counts = (
        select(func.count())
        .select_from(_beginning_with(practice, term, CANDIDATES_MAX).subquery())
        .scalar_subquery()
        for term in terms
    )
    found = (await connection.execute(select(*counts))).one()
    return [term for _, _, term in sorted(zip(found, range(len(terms)), terms, strict=True))]


def _beginning_with(practice: PracticeId, term: Term, limit: int) -> CompoundSelect[Any]:
    """Who has a word that begins so: the first ``limit``, in the order of words."""
    return union_all(
        *(
            _first(practice, beginning, limit).subquery(f"begins_{n}").select()
            for n, beginning in enumerate(term.beginnings)
        )
    )


def _first(practice: PracticeId, beginning: str, limit: int) -> Select[Any]:
    begins = _begins(_w.word)(beginning)
    rows = select(_w.patient_id).where(_w.practice_id == practice, begins)
    return rows.order_by(_w.word, _w.patient_id).limit(limit)


def _has(
    patient: ColumnElement[str], at: PracticeId, texts: Sequence[str], *, begins: bool
) -> ColumnElement[bool]:
    """Whether the patient has a word that is, or begins with, one of the texts.

    A scalar, because PostgreSQL would join EXISTS with all words that begin so.
    """
    word = patient_words.alias().c
    fits = or_(*map(_begins(word.word), texts)) if begins else word.word.in_(texts)
    one = select(_ONE).where(word.patient_id == patient, word.practice_id == at, fits)
    return one.limit(1).scalar_subquery().is_not(None)


def _begins(word: ColumnElement[str]) -> Callable[[str], ColumnElement[bool]]:
    return lambda text: and_(word >= text, word < text + _AFTER_ALL)

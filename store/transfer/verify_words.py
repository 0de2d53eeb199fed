"""Checks that the words by which patients are found are those of their profiles."""

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any

from sqlalchemy import Connection, Select, exists, func, literal, select, union

from actors.domain.contact import email_key, phone_key
from actors.domain.patient_words import joined, patient_words
from actors.domain.principal import Role
from store.sql import schema
from store.sql.schema import MAKES_PATIENT, appointments, practice_patients, profiles
from store.sql.types import strpos

_ROWS_AT_ONCE = 5_000
_a, _m, _p = appointments.c, practice_patients.c, profiles.c
_k, _w = schema.patient_words.alias("mark").c, schema.patient_words.alias("word").c
_LINE_FEED = literal("\n")


def broken_words(connection: Connection, shown_max: int) -> Iterator[str]:
    """Patients who would not be found, or be found by what is not theirs any more."""
    for query, problem in (
        (_without_mark(), "patient {} is not found at a practice that they belong to"),
        (_with_other_words(), "patient {} is not found by the words of their profile"),
    ):
        for patient in connection.execute(query.limit(shown_max)).scalars():
            yield problem.format(patient)
    for patient in _with_old_text(connection)[:shown_max]:
        yield f"the words of patient {patient} are not those of their profile"


def _without_mark() -> Select[Any]:
    dentist = profiles.alias("dentist").c
    booked = (
        select(dentist.practice_id, _a.patient_id)
        .join(dentist.id.table, dentist.id == _a.dentist_id)
        .where(MAKES_PATIENT, dentist.practice_id.is_not(None))
    )
    belongs = union(select(_m.practice_id, _m.patient_id), booked).subquery().c
    marked = exists().where(
        _k.practice_id == belongs.practice_id, _k.word == "", _k.patient_id == belongs.patient_id
    )
    return select(belongs.patient_id).where(~marked).order_by(belongs.patient_id)


def _with_other_words() -> Select[Any]:
    """By the number of words, and by words that the profile does not have."""
    words = (
        select(func.count())
        .where(_w.patient_id == _k.patient_id, _w.practice_id == _k.practice_id)
        .scalar_subquery()
    )
    lines = func.length(_p.search_text) - func.length(func.replace(_p.search_text, "\n", ""))
    foreign = exists().where(
        _w.patient_id == _k.patient_id,
        _w.practice_id == _k.practice_id,
        _w.word != "",
        strpos(_p.search_text, _LINE_FEED + _w.word + _LINE_FEED) == 0,
    )
    marks = select(_k.patient_id).join(profiles, _p.id == _k.patient_id).where(_k.word == "")
    return marks.where((words != lines) | foreign).order_by(_k.patient_id)


def _with_old_text(connection: Connection) -> Sequence[str]:
    query = (
        select(_p.id, _p.name, _p.email, _p.phone, _p.date_of_birth, _p.merged_into, _p.search_text)
        .where(_p.role == Role.PATIENT.value)
        .order_by(_p.id)
        .limit(_ROWS_AT_ONCE)
    )
    found, rows = [], connection.execute(query).all()
    while rows:
        found += [row.id for row in rows if row.search_text != _text(row)]
        rows = connection.execute(query.where(_p.id > rows[-1].id)).all()
    return found


def _text(row: Any) -> str:
    if row.merged_into:
        return joined(())
    return joined(
        patient_words(
            row.name,
            email_key=email_key(row.email) if row.email else None,
            phone_key=phone_key(row.phone) if row.phone else None,
            date_of_birth=date.fromisoformat(row.date_of_birth) if row.date_of_birth else None,
        )
    )

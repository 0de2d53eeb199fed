"""The words by which patients are found, in each practice that they belong to

``profiles.search_text`` has the words of a patient, each on a line. Triggers write them to
``patient_words`` for every practice where the patient was entered, linked or booked, so that
everything that makes someone a patient of a practice, or changes a profile, keeps them right.
The empty word is that of every patient of a practice.
"""

from collections.abc import Iterator
from datetime import date

import sqlalchemy as sa
from alembic import op

from actors.domain.contact import phone_key
from actors.domain.patient_words import joined, patient_words
from store.sql.types import Sorted

revision = "0021"
down_revision = "0020"

_ROWS_AT_ONCE = 5_000
_BOOKED = "{row}.status NOT IN ('held', 'released', 'expired')"
_READ = (
    *("id", "role", "name", "phone", "email_key", "phone_key", "date_of_birth"),
    "merged_into",
)
_people = sa.table("profiles", *map(sa.column, (*_READ, "search_text")))

_OF_PRACTICES = (
    "SELECT m.practice_id, m.patient_id FROM practice_patients AS m"  # noqa: S608  # constants
    " UNION SELECT d.practice_id, a.patient_id FROM appointments AS a"
    " JOIN profiles AS d ON d.id = a.dentist_id"
    f" WHERE d.practice_id IS NOT NULL AND {_BOOKED.format(row='a')}"
)
"""Who belongs to which practice."""
_LINES_ON_SQLITE = (
    "json_each('[' || replace(json_quote(char(10) || {text}), '\\n', '\",\"') || ']') AS w"
)
_LINES_ON_POSTGRESQL = "unnest(string_to_array(chr(10) || {text}, chr(10))) AS w (value)"
"""The lines of a text, and the empty one."""


def upgrade() -> None:
    dialect = op.get_context().dialect.name
    op.create_table(
        "patient_words",
        sa.Column("practice_id", sa.Text, nullable=False),
        sa.Column("word", Sorted, nullable=False),
        sa.Column("patient_id", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("practice_id", "word", "patient_id"),
        sqlite_with_rowid=False,
    )
    _renew_texts(op.get_bind(), dialect)
    lines = _LINES_ON_POSTGRESQL if dialect == "postgresql" else _LINES_ON_SQLITE
    op.execute(
        "INSERT INTO patient_words (practice_id, word, patient_id)"  # noqa: S608  # constants
        f" SELECT DISTINCT o.practice_id, w.value, o.patient_id FROM ({_OF_PRACTICES}) AS o"
        " JOIN profiles AS p ON p.id = o.patient_id"
        f" CROSS JOIN {lines.format(text='p.search_text')} ORDER BY 1, 2, 3"
    )
    columns = ["patient_id", "practice_id", "word"]
    op.create_index("ix_patient_words_patient_id", "patient_words", columns)
    if dialect == "postgresql":
        _guard()
        _trigger_on_postgresql()
    else:
        _trigger_on_sqlite()


def _renew_texts(connection: sa.Connection, dialect: str) -> None:
    statement = (
        "UPDATE profiles SET search_text = given.words FROM"
        " unnest(CAST(:ids AS text[]), CAST(:texts AS text[])) AS given(id, words)"
        " WHERE profiles.id = given.id"
    )
    for rows in _batches(connection):
        texts = {row["id"]: _words(row) for row in rows}
        if dialect == "postgresql":
            given = {"ids": [*texts], "texts": [*texts.values()]}
            connection.execute(sa.text(statement), given)
            continue
        changing = sa.update(_people).where(_people.c.id == sa.bindparam("person"))
        connection.execute(
            changing.values(search_text=sa.bindparam("words")),
            [{"person": person, "words": words} for person, words in texts.items()],
        )


def _words(row: sa.RowMapping) -> str:
    if row["role"] != "patient" or row["merged_into"]:
        return joined(())
    born = row["date_of_birth"]
    words = patient_words(
        row["name"],
        email_key=row["email_key"],
        phone_key=row["phone_key"] or (phone_key(row["phone"]) if row["phone"] else None),
        date_of_birth=date.fromisoformat(born) if born else None,
    )
    return joined(words)


def _batches(connection: sa.Connection) -> Iterator[list[sa.RowMapping]]:
    query = sa.select(*(_people.c[name] for name in _READ)).order_by(_people.c.id)
    query = query.limit(_ROWS_AT_ONCE)
    rows = [*connection.execute(query).mappings()]
    while rows:
        yield rows
        rows = [*connection.execute(query.where(_people.c.id > rows[-1]["id"])).mappings()]


# --- SQLite --------------------------------------------------------------------------------

_ADD_ON_SQLITE = (
    "INSERT INTO patient_words (practice_id, word, patient_id)"  # noqa: S608  # constants
    " SELECT o.practice_id, w.value, p.id FROM ({of}) AS o"
    " CROSS JOIN profiles AS p ON p.id = o.patient_id"
    f" CROSS JOIN {_LINES_ON_SQLITE.format(text='p.search_text')} WHERE true"
    " ON CONFLICT DO NOTHING;"
)
_CALENDAR_ON_SQLITE = (
    "SELECT d.practice_id, NEW.patient_id FROM profiles AS d"
    " WHERE d.id = NEW.dentist_id AND d.practice_id IS NOT NULL"
    " AND NOT EXISTS (SELECT 1 FROM patient_words AS k WHERE k.practice_id = d.practice_id"
    " AND k.word = '' AND k.patient_id = NEW.patient_id)"
)
_KNOWN_AT = (
    "SELECT k.practice_id, k.patient_id FROM patient_words AS k"
    " WHERE k.patient_id = NEW.id AND k.word = ''"
)
_OLD_ON_SQLITE = (
    "DELETE FROM patient_words WHERE (practice_id, word, patient_id) IN"  # noqa: S608  # constants
    f" (SELECT o.practice_id, w.value, o.patient_id FROM ({_KNOWN_AT}) AS o"
    f" CROSS JOIN {_LINES_ON_SQLITE.format(text='OLD.search_text')} WHERE w.value <> ''"
    " AND instr(NEW.search_text, char(10) || w.value || char(10)) = 0);"
)
_FIRST_PRACTICE = (
    "SELECT DISTINCT NEW.practice_id AS practice_id, a.patient_id FROM appointments AS a"  # noqa: S608  # constants
    f" WHERE a.dentist_id = NEW.id AND {_BOOKED.format(row='a')}"
)
_WAS_NOT_BOOKED = f"NOT ({_BOOKED.format(row='OLD')})"
_WHEN = {
    "linked": ("INSERT ON practice_patients", None),
    "booked": ("INSERT ON appointments", _BOOKED.format(row="NEW")),
    "rebooked": (
        "UPDATE OF status, dentist_id, patient_id ON appointments",
        (
            f"{_BOOKED.format(row='NEW')} AND ({_WAS_NOT_BOOKED}"
            " OR NEW.dentist_id <> OLD.dentist_id OR NEW.patient_id <> OLD.patient_id)"
        ),
    ),
    "employed": (
        "UPDATE OF practice_id ON profiles",
        "NEW.role = 'dentist' AND NEW.practice_id IS NOT NULL",
    ),
    "renamed": (
        "UPDATE OF search_text ON profiles",
        "NEW.role = 'patient' AND NEW.search_text <> OLD.search_text",
    ),
}
"""The triggers: when they fire, and for which rows."""


def _trigger_on_sqlite() -> None:
    linked = "SELECT NEW.practice_id, NEW.patient_id"
    bodies = {
        "linked": _ADD_ON_SQLITE.format(of=linked),
        "booked": _ADD_ON_SQLITE.format(of=_CALENDAR_ON_SQLITE),
        "rebooked": _ADD_ON_SQLITE.format(of=_CALENDAR_ON_SQLITE),
        "employed": _ADD_ON_SQLITE.format(of=_FIRST_PRACTICE),
        "renamed": f"{_OLD_ON_SQLITE} {_ADD_ON_SQLITE.format(of=_KNOWN_AT)}",
    }
    for name, (moment, condition) in _WHEN.items():
        when = f" WHEN {condition}" if condition else ""
        op.execute(
            f"CREATE TRIGGER patient_words_{name} AFTER {moment}{when} BEGIN {bodies[name]} END"
        )


# --- PostgreSQL ----------------------------------------------------------------------------

_ADD_ON_POSTGRESQL = (
    "INSERT INTO public.patient_words (practice_id, word, patient_id)"  # noqa: S608  # constants
    " SELECT o.practice_id, w.value, p.id FROM ({of}) AS o (practice_id, patient_id)"
    " CROSS JOIN LATERAL (SELECT id, search_text FROM public.profiles"
    " WHERE id = o.patient_id FOR SHARE) AS p"
    f" CROSS JOIN {_LINES_ON_POSTGRESQL.format(text='p.search_text')} ON CONFLICT DO NOTHING;"
)
_CALENDAR_ON_POSTGRESQL = _CALENDAR_ON_SQLITE.replace("FROM p", "FROM public.p")
_BODIES = {
    "linked": _ADD_ON_POSTGRESQL.format(of="SELECT NEW.practice_id, NEW.patient_id"),
    "booked": _ADD_ON_POSTGRESQL.format(of=_CALENDAR_ON_POSTGRESQL),
    "employed": _ADD_ON_POSTGRESQL.format(
        of=_FIRST_PRACTICE.replace("FROM appointments", "FROM public.appointments")
    ),
    "renamed": (
        "DELETE FROM public.patient_words AS t USING public.patient_words AS k,"  # noqa: S608  # constants
        f" {_LINES_ON_POSTGRESQL.format(text='OLD.search_text')}"
        " WHERE k.patient_id = NEW.id AND k.word = ''"
        " AND t.practice_id = k.practice_id AND t.word = w.value AND t.patient_id = NEW.id"
        " AND w.value <> '' AND strpos(NEW.search_text, chr(10) || w.value || chr(10)) = 0;"
        + _ADD_ON_POSTGRESQL.format(of=_KNOWN_AT.replace("FROM p", "FROM public.p"))
    ),
}


def _trigger_on_postgresql() -> None:
    """The functions run as their owner, so the hub itself cannot write words.

    They lock the profile whose words they read: who is renamed at the same time waits.
    """
    for name, (moment, condition) in _WHEN.items():
        body = "booked" if name == "rebooked" else name
        if body == name:
            op.execute(
                f"CREATE FUNCTION hub_words_{name}() RETURNS trigger LANGUAGE plpgsql"
                " SECURITY DEFINER SET search_path = pg_catalog AS $$"
                " DECLARE before text := coalesce(current_setting('hub.purpose', true), '');"
                " BEGIN PERFORM set_config('hub.purpose', 'maintenance', true);"
                f" {_BODIES[name]}"
                " PERFORM set_config('hub.purpose', before, true); RETURN NULL; END $$"
            )
        when = f" WHEN ({condition})" if condition else ""
        op.execute(
            f"CREATE TRIGGER patient_words_{name} AFTER {moment} FOR EACH ROW{when}"
            f" EXECUTE FUNCTION hub_words_{body}()"
        )


_SEEN = "practice_id = (SELECT hub_desk())"


def _guard() -> None:
    """Row security as of revision 0006. The hub's writer has no rights."""
    for statement in (
        "ALTER TABLE patient_words ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE patient_words FORCE ROW LEVEL SECURITY",
        (
            "CREATE POLICY maintained ON patient_words FOR ALL TO hub_owner"
            " USING ((SELECT current_setting('hub.purpose', true)) = 'maintenance')"
        ),
        "GRANT SELECT ON patient_words TO hub_reader",
        f"CREATE POLICY seen ON patient_words FOR SELECT TO hub_reader USING ({_SEEN})",
    ):
        op.execute(statement)

"""The words of a patient go when the last booking that made them one is cancelled

A booking that others made counts until it is cancelled (revision 0023). Its cancellation hid the
patient from the practice, and left the words there: a search counted someone whom it did not show.
"""

from typing import Final

from alembic import op

revision = "0028"
down_revision = "0027"

_MAKES_PATIENT = (
    "{row}.status NOT IN ('held', 'released', 'expired')"
    " AND ({row}.status <> 'cancelled' OR {row}.created_via IN ('patient', 'chatbot'))"
)
_NEW, _OLD, _A = (_MAKES_PATIENT.format(row=row) for row in ("NEW", "OLD", "a"))
_BELONGS = (
    "(EXISTS (SELECT 1 FROM {schema}practice_patients AS m"  # noqa: S608  # constants of this file
    " WHERE m.practice_id = {words}.practice_id AND m.patient_id = {words}.patient_id)"
    " OR EXISTS (SELECT 1 FROM {schema}appointments AS a"
    " JOIN {schema}profiles AS d ON d.id = a.dentist_id"
    " WHERE a.patient_id = {words}.patient_id AND d.practice_id = {words}.practice_id"
    f" AND {_A}))"
)
_WHEN: Final = {
    "booked": ("INSERT ON appointments", _NEW),
    "rebooked": (
        "UPDATE OF status, dentist_id, patient_id ON appointments",
        (
            f"{_NEW} AND (NOT ({_OLD})"
            " OR NEW.dentist_id <> OLD.dentist_id OR NEW.patient_id <> OLD.patient_id)"
        ),
    ),
    "cancelled": ("UPDATE OF status ON appointments", f"{_OLD} AND NOT ({_NEW})"),
}
"""The triggers of appointments: when they fire, and for which rows."""


def _end(schema: str = "") -> str:
    """Deletes the words of the row's patient at the practice of its dentist."""
    belongs = _BELONGS.format(schema=schema, words="patient_words")
    return (
        f"DELETE FROM {schema}patient_words WHERE patient_id = NEW.patient_id"  # noqa: S608  # constants of this file
        f" AND practice_id = (SELECT d.practice_id FROM {schema}profiles AS d"
        f" WHERE d.id = NEW.dentist_id) AND NOT {belongs};"
    )


def upgrade() -> None:
    if op.get_context().dialect.name == "postgresql":
        _on_postgresql()
    else:
        _on_sqlite()


def _on_sqlite() -> None:
    _forget()
    add = (
        "INSERT INTO patient_words (practice_id, word, patient_id)"
        " SELECT o.practice_id, w.value, p.id FROM (SELECT d.practice_id, NEW.patient_id"
        " FROM profiles AS d WHERE d.id = NEW.dentist_id AND d.practice_id IS NOT NULL"
        " AND NOT EXISTS (SELECT 1 FROM patient_words AS k WHERE k.practice_id = d.practice_id"
        " AND k.word = '' AND k.patient_id = NEW.patient_id)) AS o"
        " CROSS JOIN profiles AS p ON p.id = NEW.patient_id"
        " CROSS JOIN json_each('[' || replace(json_quote(char(10) || p.search_text),"
        " '\\n', '\",\"') || ']') AS w WHERE true ON CONFLICT DO NOTHING;"
    )
    for name, (moment, condition) in _WHEN.items():
        if name != "cancelled":
            op.execute(f"DROP TRIGGER patient_words_{name}")
        body = _end() if name == "cancelled" else add
        op.execute(
            f"CREATE TRIGGER patient_words_{name} AFTER {moment} WHEN {condition} BEGIN {body} END"
        )


def _on_postgresql() -> None:
    op.execute("SET LOCAL hub.purpose = 'maintenance'")
    _forget()
    op.execute("SET LOCAL hub.purpose = ''")
    op.execute(
        "CREATE FUNCTION hub_words_cancelled() RETURNS trigger LANGUAGE plpgsql"
        " SECURITY DEFINER SET search_path = pg_catalog AS $$"
        " DECLARE before text := coalesce(current_setting('hub.purpose', true), '');"
        " BEGIN PERFORM set_config('hub.purpose', 'maintenance', true);"
        f" {_end('public.')}"
        " PERFORM set_config('hub.purpose', before, true); RETURN NULL; END $$"
    )
    for name, (moment, condition) in _WHEN.items():
        if name != "cancelled":
            op.execute(f"DROP TRIGGER patient_words_{name} ON appointments")
        body = "booked" if name == "rebooked" else name
        op.execute(
            f"CREATE TRIGGER patient_words_{name} AFTER {moment} FOR EACH ROW WHEN ({condition})"
            f" EXECUTE FUNCTION hub_words_{body}()"
        )


def _forget() -> None:
    """Those of people who are no patients of the practice any more."""
    belongs = _BELONGS.format(schema="", words="patient_words")
    op.execute(f"DELETE FROM patient_words WHERE NOT {belongs}")  # noqa: S608  # constants of this file

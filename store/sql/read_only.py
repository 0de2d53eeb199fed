"""What a reading connection sends at all, whatever the engine."""

_READING = ("SELECT", "WITH")


def only_reads(sql: str) -> bool:
    """Whether it begins as a query does. What a query may do beyond reading, the engine's
    read-only transactions refuse; this keeps out what changes who asks (SET, DO), and what
    tells more than rows (EXPLAIN)."""
    return sql.lstrip().upper().startswith(_READING)

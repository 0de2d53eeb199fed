"""Which statements a reading connection executes, on every engine."""

_READING = ("SELECT", "WITH")


def only_reads(sql: str) -> bool:
    """Whether the statement begins as a query does.

    Read-only transactions refuse writes. This refuses also what would change the principal
    (SET, DO) or show more than rows (EXPLAIN).
    """
    return sql.lstrip().upper().startswith(_READING)

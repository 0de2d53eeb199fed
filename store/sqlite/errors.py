"""What an error of SQLite means for the caller."""

import sqlite3

_TEMPORARY = frozenset(
    {
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_INTERRUPT,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)
_PRIMARY_CODE = 0xFF  # extended codes carry the primary one in their low byte
_OF_ONE_STATEMENT = (sqlite3.DataError, sqlite3.InterfaceError, sqlite3.ProgrammingError)


def is_temporary(error: BaseException | None) -> bool:
    """Whether the file cannot be reached, read or written now; a retry may succeed."""
    return _code(error) in _TEMPORARY


def concerns_one_statement(error: sqlite3.Error) -> bool:
    """Whether only this statement failed (a bug of the hub), and the transaction goes on."""
    return isinstance(error, _OF_ONE_STATEMENT) or _code(error) == sqlite3.SQLITE_ERROR


def _code(error: BaseException | None) -> int:
    return getattr(error, "sqlite_errorcode", 0) & _PRIMARY_CODE

"""What an error of PostgreSQL, or of the connection to it, means for the caller."""

import asyncio

import asyncpg
import psycopg

_TEMPORARY_CLASSES = (
    "08",  # connection exceptions
    "28",  # the login is refused, for instance while passwords are changed
    "3D",  # the database does not exist
    "53",  # disk full, out of memory, too many connections
    "55",  # lock not available, database not accepting connections
    "57",  # cancelled by a timeout, shutting down, starting up
    "58",  # I/O errors of the server
)
_TEMPORARY_CODES = frozenset(
    {
        "25006",  # read-only: a standby that is not promoted yet
        "25P03",  # idle in transaction too long
        "25P04",  # transaction timeout
    }
)
_LOST_CLASSES = ("08", "57P")
_INTEGRITY_CLASS = "23"
_TO_BE_RETRIED = frozenset({"40001", "40P01"})

_OF_THE_DRIVER = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # the connection ended at an unexpected moment
    psycopg.InterfaceError,
    psycopg.OperationalError,
)
BROKEN = (OSError, asyncio.TimeoutError, asyncpg.PostgresError, psycopg.Error, *_OF_THE_DRIVER)
"""What connecting, or executing a statement, may raise."""


def code_of(error: BaseException | None) -> str:
    """The SQLSTATE, also of SQLAlchemy's copy of an error; empty if there is none."""
    return getattr(error, "sqlstate", None) or ""


def is_temporary(error: BaseException | None) -> bool:
    """Whether the server cannot be reached, read or written now; a retry may succeed."""
    if code := code_of(error):
        return code.startswith(_TEMPORARY_CLASSES) or code in _TEMPORARY_CODES
    both = (error, getattr(error, "__cause__", None))  # the cause of SQLAlchemy's copy
    return any(isinstance(each, (OSError, asyncio.TimeoutError, *_OF_THE_DRIVER)) for each in both)


def to_be_retried(error: BaseException) -> bool:
    """Whether the transaction lost a race, and may succeed when it is repeated."""
    return code_of(error) in _TO_BE_RETRIED


def was_refused(error: BaseException) -> bool:
    """Whether a constraint or a policy refused the row: a bug of the hub."""
    return code_of(error).startswith(_INTEGRITY_CLASS) or lacks_privilege(error)


def lacks_privilege(error: BaseException) -> bool:
    return code_of(error) == "42501"


def is_an_answer(error: BaseException) -> bool:
    """Whether the server itself answered, so that the transaction is certainly rolled back.

    A value that cannot be sent counts as one: only its job fails.
    """
    if code := code_of(error):
        return not code.startswith(_LOST_CLASSES)
    return isinstance(error, psycopg.DataError)

"""What an error of PostgreSQL, or of the way to it, means for the one who asked."""

import asyncio

import asyncpg

_TEMPORARY_CLASSES = (
    "08",  # connection exceptions
    "28",  # the login is refused: somebody changes passwords
    "3D",  # the database is not there
    "53",  # disk full, out of memory, too many connections
    "55",  # lock not available, database not accepting connections
    "57",  # cancelled by a timeout, shutting down, starting up
    "58",  # I/O errors of the server
)
_TEMPORARY_CODES = frozenset(
    {
        "25006",  # read-only: a standby that was not promoted yet
        "25P03",  # idle in transaction too long
        "25P04",  # transaction timeout
    }
)
_LOST_CLASSES = ("08", "57P")
_TO_BE_RETRIED = frozenset({"40001", "40P01"})

_OF_THE_DRIVER = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that ended under it, met in the wrong moment
)
BROKEN = (OSError, asyncio.TimeoutError, asyncpg.PostgresError, *_OF_THE_DRIVER)
"""Whatever connecting, or a statement, may raise."""


def code_of(error: BaseException | None) -> str:
    """The SQLSTATE, of the driver's error or of SQLAlchemy's copy of it; else empty."""
    return getattr(error, "sqlstate", None) or ""


def is_temporary(error: BaseException | None) -> bool:
    """The server cannot be reached, read or written now; nothing is wrong with the request."""
    if code := code_of(error):
        return code.startswith(_TEMPORARY_CLASSES) or code in _TEMPORARY_CODES
    first = getattr(error, "__cause__", None) or error  # SQLAlchemy's copy has it as cause
    return isinstance(first, (OSError, asyncio.TimeoutError, *_OF_THE_DRIVER))


def to_be_retried(error: BaseException) -> bool:
    """The transaction lost a race that, run anew, it may win."""
    return code_of(error) in _TO_BE_RETRIED


def was_refused(error: BaseException) -> bool:
    """A constraint or a policy said no: our bug, kept out by the last arbiter."""
    return isinstance(
        error, asyncpg.IntegrityConstraintViolationError | asyncpg.InsufficientPrivilegeError
    )


def is_an_answer(error: BaseException) -> bool:
    """The server itself answered, and the transaction is over: rolled back for certain."""
    code = code_of(error)
    return bool(code) and not code.startswith(_LOST_CLASSES)

"""What an error of PostgreSQL means for the caller."""

import asyncio

import pytest
from sqlalchemy.exc import DBAPIError

from store.postgres.errors import is_temporary


async def an_answer_that_did_not_come() -> TimeoutError:
    with pytest.raises(TimeoutError) as raised:
        async with asyncio.timeout(0):
            await asyncio.Event().wait()
    return raised.value


async def test_a_server_that_does_not_answer_in_time_is_unavailable() -> None:
    late = await an_answer_that_did_not_come()
    assert isinstance(late.__cause__, asyncio.CancelledError)
    assert is_temporary(late)


def test_an_error_of_the_connection_is_temporary_also_in_the_copy_of_sqlalchemy() -> None:
    copy = DBAPIError("SELECT 1", {}, ConnectionResetError())
    assert not is_temporary(copy)
    copy.__cause__ = ConnectionResetError()
    assert is_temporary(copy)
    assert not is_temporary(ValueError())

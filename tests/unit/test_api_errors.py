"""One form of every error, one status for every refusal (criteria 4.7, 9.2–9.5, 10.4)."""

from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from aiohttp import web

from actors.domain.refusals import (
    CalendarBusy,
    Forbidden,
    InvalidToken,
    RateLimited,
    Refusal,
    SlotTaken,
    TooManyAppointments,
    TooManyReservations,
    Unavailable,
    ValidationFailed,
    VersionConflict,
)
from actors.ports.commits import ConstraintViolated, OutcomeUnknown, StoreUnavailable
from api.errors import INTERNAL, STATUS, error_body, to_public
from tests.support.logs import captured_logs
from tests.unit.api_world import ROW, world

NOW = datetime(2027, 3, 8, 9, 0, 0, 5000, tzinfo=UTC)


def leaves(kind: type[Refusal] = Refusal) -> Iterator[type[Refusal]]:
    below = kind.__subclasses__()
    if not below:
        yield kind
    for each in below:
        yield from leaves(each)


def test_every_refusal_has_a_status() -> None:
    assert set(leaves()) == set(STATUS)


def test_an_error_has_the_documented_form() -> None:
    refusal = ValidationFailed.of("start", "must be a whole minute")
    assert error_body(to_public(refusal), "r-1", NOW) == {
        "error": {
            "code": "VALIDATION_ERROR",
            "message": "The request is not valid",
            "timestamp": "2027-03-08T09:00:00.005000Z",
            "request_id": "r-1",
            "details": [{"field": "start", "message": "must be a whole minute"}],
        }
    }


@pytest.mark.parametrize(
    ("refusal", "seconds"),
    [
        (RateLimited(0.2), "1"),
        (RateLimited(1.2), "2"),
        (CalendarBusy(), "1"),
        (Unavailable(), "2"),
        (TooManyReservations(3), "30"),
        (TooManyAppointments(10), None),
        (SlotTaken(), None),
    ],
)
def test_temporary_errors_carry_retry_after(refusal: Refusal, seconds: str | None) -> None:
    assert to_public(refusal).retry_after_header == seconds


@pytest.mark.parametrize("failure", [StoreUnavailable(), OutcomeUnknown()])
def test_a_temporary_failure_of_the_store_is_unavailable(failure: Exception) -> None:
    problem = to_public(failure)
    assert (problem.status, problem.code) == (503, "UNAVAILABLE")
    assert problem.retry_after_header is not None


@pytest.mark.parametrize("failure", [ConstraintViolated("row x"), RuntimeError("SELECT notes")])
def test_faults_of_the_hub_are_internal_errors_without_details(failure: Exception) -> None:
    assert to_public(failure) is INTERNAL


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (web.HTTPNotFound(), "NOT_FOUND"),
        (web.HTTPMethodNotAllowed("PATCH", ["GET"]), "METHOD_NOT_ALLOWED"),
        (web.HTTPRequestEntityTooLarge(1, 2), "PAYLOAD_TOO_LARGE"),
        (web.HTTPUnsupportedMediaType(), "UNSUPPORTED_MEDIA_TYPE"),
        (web.HTTPBadRequest(), "VALIDATION_ERROR"),
    ],
)
def test_refusals_of_the_http_server_have_an_error_code(
    error: web.HTTPException, code: str
) -> None:
    assert to_public(error).code == code


async def test_a_refusal_of_a_service_reaches_the_client_with_its_status() -> None:
    async with world() as w:
        w.bookings.results["get"] = VersionConflict(7)
        answer = await w.send("GET", f"/api/appointments/{ROW}", headers={"X-Request-ID": "abc"})
        assert (answer.status, answer.code) == (412, "VERSION_CONFLICT")
        assert answer.json["error"]["request_id"] == "abc" == answer.headers["X-Request-ID"]
        assert answer.headers["Content-Type"] == "application/json"


async def test_an_unexpected_failure_is_logged_once_with_its_stack_trace() -> None:
    with captured_logs() as logs:
        async with world() as w:
            w.bookings.results["get"] = RuntimeError("the notes of Pat Ient")
            answer = await w.send("GET", f"/api/appointments/{ROW}")
    assert (answer.status, answer.code) == (500, "INTERNAL_ERROR")
    assert b"Pat" not in answer.text
    (error,) = logs.lines("api_error")
    assert "RuntimeError" in error["exception"]
    assert error["request_id"] == answer.json["error"]["request_id"]
    assert (error["method"], error["path"]) == ("GET", f"/api/appointments/{ROW}")
    assert [line["status"] for line in logs.lines("api_request")] == [500]


async def test_unavailable_is_503_with_retry_after() -> None:
    async with world() as w:
        w.bookings.results["get"] = StoreUnavailable()
        answer = await w.send("GET", f"/api/appointments/{ROW}")
        assert (answer.status, answer.code) == (503, "UNAVAILABLE")
        assert answer.headers["Retry-After"] == "2"


async def test_a_refusal_may_precede_the_lookup_of_the_route() -> None:
    async with world() as w:
        w.identity.refusal = Forbidden("No dentist is known for this token")
        answer = await w.send("GET", "/api/nowhere")
        assert (answer.status, answer.code) == (403, "FORBIDDEN")


def test_the_reason_of_an_invalid_token_is_not_shown() -> None:
    assert to_public(InvalidToken("expired")).message == "Invalid token"

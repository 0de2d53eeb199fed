"""The commands of a socket: routes of REST, no rule of their own.

A command's data is the REST body plus the path and query names, ``version`` and
``idempotency_key``; the data of its reply is the body of the REST response.
"""

from collections.abc import Awaitable, Mapping
from types import MappingProxyType
from typing import Final, TypeVar

from aiohttp import web

from actors.domain.principal import Principal
from actors.domain.refusals import FieldError, ValidationFailed
from actors.domain.values import value
from actors.services.caller import Caller
from actors.services.services import Services
from api.rest import appointments, availability, people, reservations
from api.rest.route import AnyHandler, Call, Result
from api.schemas import fields, load
from api.schemas.strict import RequestSchema

T = TypeVar("T")

_VERSION_MAX = 999_999_999


@value
class CommandHeader:
    """What REST has in a request's headers and path."""

    idempotency_key: str | None = None
    expected_version: int | None = None
    id: str = ""
    dentist_id: str = ""


class HeaderSchema(RequestSchema[CommandHeader]):
    """Each command takes some of these fields."""

    idempotency_key = fields.Text(
        max_chars=fields.MAX_KEY_CHARS, pattern=fields.KEY_FORM, expected=fields.KEY_EXPECTED
    )
    expected_version = fields.Whole(low=1, high=_VERSION_MAX, data_key="version")
    id = fields.Id(required=True)
    dentist_id = fields.Id(required=True)


class SocketCommand:
    """One command: it loads its data as the parts of a route, and calls that route's handler."""

    def __init__(self, served: AnyHandler) -> None:
        self._handler, self._route = served.handler, served.route
        route = served.route
        takes = {
            "idempotency_key": route.method != "GET",
            "expected_version": route.takes_version,
            "id": "{id}" in route.path,
            "dentist_id": "{dentistId}" in route.path,
        }
        self._header = HeaderSchema(only=[name for name, is_taken in takes.items() if is_taken])
        self._takes_query = bool(route.query.fields) or not route.takes_body

    def __call__(
        self, services: Services, principal: Principal, request_id: str, data: Mapping[str, object]
    ) -> Awaitable[bytes]:
        """The response as JSON, or the service's refusal; raises ValidationFailed at once.

        The last part gets, and refuses, unknown fields. Errors are of all parts together.
        """
        route, rest, errors = self._route, dict(data), list[FieldError]()
        header = _part(self._header, rest, errors)
        query = body = None
        if self._takes_query:
            query = _part(route.query, rest, errors, is_last=not route.takes_body)
        if route.takes_body:
            body = _part(route.body, rest, errors, is_last=True)
        if errors or header is None:
            raise ValidationFailed(*errors)
        caller = Caller(
            principal=principal, request_id=request_id, idempotency_key=header.idempotency_key
        )
        call = Call(
            services=services,
            caller=caller,
            path={"id": header.id, "dentistId": header.dentist_id},
            query=query,
            body=body,
            expected_version=header.expected_version,
        )
        return _json(self._handler(call))


def _part(
    schema: RequestSchema[T],
    data: dict[str, object],
    errors: list[FieldError],
    *,
    is_last: bool = False,
) -> T | None:
    """What the schema loads of its fields in ``data``, which it takes out, or of all."""
    sent = data if is_last else {name: data.pop(name) for name in schema.keys if name in data}
    try:
        return load(schema, sent, where="data")
    except ValidationFailed as failed:
        errors += failed.details
        return None


async def _json(result: Awaitable[Result]) -> bytes:
    """``null`` when the resource is gone: released, cancelled."""
    found = await result
    assert not isinstance(found, web.StreamResponse), "the routes of commands return JSON"
    return found.body or b"null"


COMMANDS: Final[Mapping[str, SocketCommand]] = MappingProxyType(
    {
        "slots:list": SocketCommand(availability.find),
        "reservation:create": SocketCommand(reservations.hold),
        "reservation:release": SocketCommand(reservations.release),
        "appointment:book": SocketCommand(appointments.book),
        "appointment:update": SocketCommand(appointments.change),
        "appointment:cancel": SocketCommand(appointments.cancel),
        "availability:get": SocketCommand(availability.show),
        "availability:update": SocketCommand(availability.replace),
        "profile:get": SocketCommand(people.me),
        "profile:update": SocketCommand(people.update_me),
    }
)

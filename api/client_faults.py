"""Mistakes of clients in how they send a request, before anything looks at its meaning.

Each is answered with a 4xx status, if the client is still there, and logged in the one line of
its request, without a stack trace.
"""

from typing import Final

from aiohttp import ClientConnectionResetError, web
from aiohttp.http_exceptions import HttpProcessingError

CODINGS: Final = ("gzip", "deflate")
"""Content codings of request bodies that aiohttp decodes without further libraries."""
_NO_CODING: Final = "identity"


class RequestTooSlow(Exception):
    """The request did not arrive within its deadline."""


class TooManyConnections(Exception):
    """The connection is beyond a limit, so it may only check the health of the process."""


class UnknownCoding(web.HTTPUnsupportedMediaType):
    """The body has a ``Content-Encoding`` that the hub does not decode."""


_FAULTS: Final = (
    ClientConnectionResetError,
    HttpProcessingError,
    RequestTooSlow,
    TooManyConnections,
    web.RequestPayloadError,
)


def is_client_fault(error: BaseException | None) -> bool:
    """Whether ``error`` means that the client sent something broken, or left."""
    return isinstance(error, _FAULTS)


def client_left(request: web.BaseRequest, error: BaseException | None) -> bool:
    """Whether ``error`` means that the client left while its request was read or answered."""
    if isinstance(error, ClientConnectionResetError):
        return True
    return isinstance(error, ConnectionError) and error is request.content.exception()


def check_length(request: web.Request, most: int) -> None:
    """Raises before it is read what is known to be too large; ``most`` is in bytes."""
    length = request.content_length
    if length is not None and length > most:
        raise web.HTTPRequestEntityTooLarge(most, length)


def check_coding(request: web.Request) -> None:
    """Raises UnknownCoding if the request has a body that cannot be decoded."""
    if "Content-Encoding" not in request.headers or not request.body_exists:
        return
    sent = request.headers.getall("Content-Encoding")
    if len(sent) > 1 or sent[0].strip().lower() not in (*CODINGS, _NO_CODING):
        raise UnknownCoding

"""Request headers: versions, idempotency keys, entity tags."""

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from aiohttp import web
from multidict import MultiMapping

from actors.domain.refusals import ValidationFailed
from api.schemas.fields import KEY_EXPECTED, KEY_FORM

VERSION: Final = re.compile(r'"([1-9][0-9]{0,8})(?:-[0-9a-f]{24})?"', re.ASCII)
"""A version in quotes, and perhaps a digest of the content (:func:`version_tag`)."""
_TAGS: Final = re.compile(r'(?:[ \t,]|(?:W/)?("[^"\x00-\x20\x7f]*")(?=[ \t]*(?:,|$)))*', re.ASCII)
_KEPT: Final = ("ETag", "Cache-Control", "Vary", "Content-Security-Policy")
_TAG: Final = re.compile(r'"[^"]*"')


def expected_version(headers: Mapping[str, str]) -> int | None:
    """The version in ``If-Match``; ``None`` without the header, and for any version (``*``)."""
    sent = headers.get("If-Match")
    if sent is None or sent.strip() == "*":
        return None
    found = VERSION.fullmatch(sent.strip())
    if found is None:
        raise ValidationFailed.of("If-Match", 'must be one version in quotes, like "3"')
    return int(found[1])


def idempotency_key(headers: Mapping[str, str]) -> str | None:
    sent = headers.get("Idempotency-Key")
    if sent is not None and not KEY_FORM.fullmatch(sent):
        raise ValidationFailed.of("Idempotency-Key", KEY_EXPECTED)
    return sent


def media_type(headers: Mapping[str, str]) -> str:
    """The media type of the body, in lower case and without parameters.

    ``request.content_type`` parses the header as a mail: 8 KB take it seconds, or a stack overflow.
    """
    return headers.get("Content-Type", "").partition(";")[0].strip().lower()


def content_tag(body: bytes) -> str:
    """A weak tag of the body, for ``If-None-Match``; it is no version for ``If-Match``."""
    return f'W/"{_digest(body)}"'


def version_tag(version: int, body: bytes | None = None) -> str:
    """The tag of a version, for ``If-Match`` too; with ``body``, it changes with that as well."""
    return f'"{version}"' if body is None else f'"{version}-{_digest(body)}"'


def has_tag(headers: MultiMapping[str], tag: str) -> bool:
    """Whether ``If-None-Match`` names ``tag``, compared weakly (RFC 9110 §13.1.2)."""
    if "If-None-Match" not in headers:
        return False
    sent = ",".join(headers.getall("If-None-Match"))
    if sent.strip(" \t") == "*":
        return True
    return bool(_TAGS.fullmatch(sent)) and tag.removeprefix("W/") in _TAG.findall(sent)


def not_modified(request: web.Request, response: web.Response) -> web.Response:
    """``response`` to a GET or HEAD, or 304 if the client has it.

    ``response`` has an ``ETag``. Both have the headers that caches need (RFC 9110 §15.4.5).
    """
    if not has_tag(request.headers, response.headers["ETag"]):
        return response
    kept = {name: response.headers[name] for name in _KEPT if name in response.headers}
    return web.Response(status=304, headers=kept)


def _digest(body: bytes) -> str:
    return hashlib.blake2b(body, digest_size=12).hexdigest()


def prefers(accept: str | None, wanted: str, other: str) -> bool:
    """Whether the client accepts ``wanted`` by name, and does not prefer ``other``.

    RFC 9110 §12.5.1, as far as two forms of one resource need it: between equal qualities the
    first one counts; a wildcard names no format.
    """
    named = [_media_range(part) for part in (accept or "").split(",")]
    mine = [(quality, -place) for place, (name, quality) in enumerate(named) if name == wanted]
    others = [(quality, -place) for place, (name, quality) in enumerate(named) if name == other]
    return bool(mine) and max(mine)[0] > 0 and max(mine) > max(others, default=(0.0, 0))


def _media_range(part: str) -> tuple[str, float]:
    name, *parameters = (each.strip().lower() for each in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0

"""Request headers: versions, idempotency keys, entity tags."""

import hashlib
import re
from collections.abc import Mapping
from typing import Final

from actors.domain.refusals import ValidationFailed
from api.schemas.fields import KEY_EXPECTED, KEY_FORM

VERSION: Final = re.compile(r'"([1-9][0-9]{0,8})"', re.ASCII)
_TAG: Final = re.compile(r'(?:W/)?("[^"]*")')


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
    return f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def has_tag(headers: Mapping[str, str], tag: str) -> bool:
    """Whether ``If-None-Match`` names ``tag``, compared weakly (RFC 9110 §13.1.2)."""
    sent = headers.get("If-None-Match", "")
    return sent.strip() == "*" or tag.removeprefix("W/") in _TAG.findall(sent)

"""Where a list of slots goes on: the start and dentist of the last one, as opaque text."""

import base64
import binascii
from datetime import datetime

import orjson
from marshmallow import ValidationError

from actors.domain.ids import DentistId, ProfileId
from actors.domain.refusals import ValidationFailed
from api.schemas.fields import instant_text, parse_id, parse_instant

After = tuple[datetime, DentistId]


def write(after: After | None) -> str | None:
    if after is None:
        return None
    text = orjson.dumps([instant_text(after[0]), after[1]])
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def read(cursor: str | None) -> After | None:
    """Raises ValidationFailed for what :func:`write` never wrote."""
    if cursor is None:
        return None
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        start, dentist_id = orjson.loads(text)
        instant, known = parse_instant(start), parse_id(dentist_id)
    except (binascii.Error, ValueError, TypeError, ValidationError):
        known = None
    if known is None:
        raise ValidationFailed.of("cursor", "does not belong to this list")
    return instant, DentistId(ProfileId(known))

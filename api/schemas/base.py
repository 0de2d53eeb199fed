"""Strict schemas, and how their complaints become a refusal."""

from collections.abc import Iterator, Mapping
from typing import Any

from marshmallow import RAISE, Schema, ValidationError

from actors.domain.refusals import FieldError, ValidationFailed

_DETAILS_MAX = 50
_FIELD_MAX_CHARS = 100


class Strict(Schema):
    """Unknown fields are refused; values come straight from attributes."""

    class Meta:
        unknown = RAISE

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """Plain attributes only: no dotted paths, no look-ups in mappings."""
        return getattr(obj, attr, default)


def load(schema: Schema, data: object, *, where: str = "body") -> dict[str, Any]:
    """The data in the domain's words, or :class:`ValidationFailed` naming every field."""
    try:
        loaded = schema.load(data)  # type: ignore[arg-type]  # anything is checked, not just mappings
    except ValidationError as error:
        raise refusal(error.messages, where) from None
    assert isinstance(loaded, dict)
    return loaded


def refusal(messages: object, where: str = "body") -> ValidationFailed:
    """Nested complaints as one list: ``rules.0.end: must be …``."""
    flat = []
    for path, message in _flatten(messages, ()):
        field = ".".join(path) or where
        flat.append(FieldError(field=field[:_FIELD_MAX_CHARS], message=message))
        if len(flat) == _DETAILS_MAX:
            break
    return ValidationFailed(*flat)


def _flatten(messages: object, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], str]]:
    if isinstance(messages, Mapping):
        for key, inner in messages.items():
            yield from _flatten(inner, path if key == "_schema" else (*path, str(key)))
    elif isinstance(messages, list | tuple):
        for inner in messages:
            yield from _flatten(inner, path)
    else:
        yield path, str(messages)

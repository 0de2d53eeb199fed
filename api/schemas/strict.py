"""Strict schemas, and how their complaints become a refusal."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple

from marshmallow import RAISE, Schema, ValidationError, fields, missing

from actors.domain.refusals import FieldError, ValidationFailed

_DETAILS_MAX = 50
_FIELD_MAX_CHARS = 100


class _Shows(NamedTuple):
    key: str
    attribute: str
    write: Callable[..., Any] | None
    """``None``: shown as it is."""


class _Takes(NamedTuple):
    key: str
    attribute: str
    field: fields.Field[Any]
    read: Callable[..., Any] | None
    """All that the field does with a value that is there, if that is but one step."""


class Strict(Schema):
    """Unknown fields are refused; values come straight from attributes.

    What marshmallow finds out anew for each object is found out once: it is on the way of
    every booking. The fields say what is taken and shown, as they do everywhere.
    """

    class Meta:
        unknown = RAISE

    def get_attribute(self, obj: Any, attr: str, default: Any) -> Any:
        """Plain attributes only: no dotted paths, no look-ups in mappings."""
        return getattr(obj, attr, default)

    def __init__(self, **how: Any) -> None:
        super().__init__(**how)
        self._is_plain = not any(self._hooks.values())

    @cached_property
    def _shown(self) -> Sequence[_Shows]:
        return [
            _Shows(
                field.data_key or name,
                field.attribute or name,
                None if type(field)._serialize is fields.Field._serialize else field._serialize,
            )
            for name, field in self.dump_fields.items()
        ]

    @cached_property
    def _taken(self) -> Sequence[_Takes] | None:
        """``None`` where schemas nest: what is wrong would be looked at twice on each level."""
        if any(map(_nests, self.load_fields.values())):
            return None
        return [
            _Takes(field.data_key or name, field.attribute or name, field, _reader(field))
            for name, field in self.load_fields.items()
        ]

    def _serialize(self, obj: Any, *, many: bool = False) -> Any:
        if many:
            return [self._serialize(each) for each in obj]
        get, shown = self.get_attribute, {}
        for key, attribute, write in self._shown:
            value = get(obj, attribute, missing)
            if value is not missing:
                shown[key] = value if write is None else write(value, attribute, obj)
        return shown

    def _deserialize(
        self, data: Any, *, many: bool = False, partial: Any = None, **how: Any
    ) -> Any:
        """What is right is taken at once; of anything else marshmallow says what is wrong."""
        if type(data) is dict and not (many or partial):
            taken = self._taken_from(data)
            if taken is not None:
                return taken
        return super()._deserialize(data, many=many, partial=partial, **how)

    def load_plain(self, data: object) -> dict[str, Any] | None:
        """What ``load`` comes to for what is right, if the schema is nothing but its fields.

        ``None``: ``load`` must look, and says what is wrong.
        """
        return self._taken_from(data) if self._is_plain and type(data) is dict else None

    def _taken_from(self, data: dict[str, Any]) -> dict[str, Any] | None:
        if self._taken is None:
            return None
        taken, known = {}, 0
        try:
            for key, attribute, field, read in self._taken:
                sent = data.get(key, missing)
                known += sent is not missing
                if read is None or sent is None or sent is missing:
                    value = field.deserialize(sent, key, data)
                else:
                    value = read(sent, key, data)
                if value is not missing:
                    taken[attribute] = value
        except ValidationError:
            return None
        return taken if known == len(data) else None


def _nests(field: fields.Field[Any]) -> bool:
    return isinstance(getattr(field, "inner", field), fields.Nested)


def _reader(field: fields.Field[Any]) -> Callable[..., Any] | None:
    plain = type(field).deserialize is fields.Field.deserialize
    more = (*field.pre_load, *field.validators, *field.post_load)
    return field._deserialize if plain and not more else None


def load(schema: Strict, data: object, *, where: str = "body") -> dict[str, Any]:
    """The data in the domain's words, or :class:`ValidationFailed` naming every field."""
    if (plain := schema.load_plain(data)) is not None:
        return plain
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

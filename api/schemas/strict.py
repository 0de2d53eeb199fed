"""Strict schemas: they load typed requests, dump responses, and collect errors."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Generic, NamedTuple, TypeAlias, TypeVar, get_args

from marshmallow import RAISE, Schema, ValidationError, missing, post_load

from actors.domain.refusals import FieldError, ValidationFailed
from api.schemas.fields import Field, JsonField, Nested

_DETAILS_MAX = 50
_FIELD_MAX_CHARS = 100

T = TypeVar("T")

Loaded: TypeAlias = Mapping[str, Any]
"""The loaded fields by attribute. Each field checked its own value, but marshmallow has no
static type for them; the dataclass that is made of them has."""


class _LoadedField(NamedTuple):
    key: str
    attribute: str
    field: Field[Any]
    read: Callable[..., object] | None
    """The field's one step for a value that is present, if it has no others."""


class Strict(Schema):
    """Refuses unknown fields, and dumps plain attributes of objects."""

    class Meta:
        unknown = RAISE

    def get_attribute(self, obj: Any, attr: str, default: object) -> object:
        """Plain attributes only: no dotted paths, no look-ups in mappings."""
        return getattr(obj, attr, default)

    @cached_property
    def _shown(self) -> Sequence[tuple[str, str, Callable[..., object] | None]]:
        """Key, attribute and dumping function of each field; ``None``: dumped as it is."""
        return [
            (field.data_key or name, field.attribute or name, _dumping(field))
            for name, field in self.dump_fields.items()
        ]

    def _serialize(self, obj: Any, *, many: bool = False) -> Any:
        """Marshmallow's result in half the time: its fields are looked up once, not per object.

        An appointment takes 8 µs instead of 16, a slot 3 instead of 5, and a booking dumps
        several (``tests/benchmarks/bench_schemas.py``).
        """
        if many:
            return [self._serialize(each) for each in obj]
        get, shown = self.get_attribute, {}
        for key, attribute, write in self._shown:
            value = get(obj, attribute, missing)
            if value is not missing:
                shown[key] = value if write is None else write(value, attribute, obj)
        return shown


class RequestSchema(Strict, Generic[T]):
    """Loads its type argument: the frozen dataclass of the request that a service takes."""

    form: ClassVar[Mapping[str, object]] = {}
    """Rules about several fields, in JSON Schema, for the API document."""
    alternatives: ClassVar[Sequence[type[Schema]]] = ()
    """Schemas, of which a body fits exactly one, for the API document instead of this one."""

    _type: Callable[..., T]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        for base in getattr(cls, "__orig_bases__", ()):
            for argument in get_args(base):
                if isinstance(argument, type):
                    cls._type = argument

    def make(self, data: Loaded) -> T:
        """The request with the loaded fields; raises marshmallow's ValidationError."""
        return self._type(**data)

    @post_load
    def _make(self, data: Loaded, **_: object) -> T:
        """Lists become tuples, because a request cannot change."""
        return self.make(
            {name: tuple(value) if type(value) is list else value for name, value in data.items()}
        )

    @cached_property
    def _flat(self) -> Sequence[_LoadedField] | None:
        """``None`` for a schema with hooks of its own or nested fields."""
        hooks = {hook[0] for hooked in self._hooks.values() for hook in hooked}
        found = self.load_fields.items()
        nests = any(isinstance(getattr(field, "inner", field), Nested) for _, field in found)
        if nests or hooks != {"_make"}:
            return None
        return [
            _LoadedField(field.data_key or name, field.attribute or name, field, _only_step(field))
            for name, field in found
        ]

    def load_flat(self, data: object) -> T | None:
        """What ``load`` returns for valid data of a flat schema; ``None``: ``load`` must decide.

        A command of one field takes 1.1 µs instead of 7.4 (``tests/benchmarks/bench_schemas.py``).
        """
        if self._flat is None or type(data) is not dict:
            return None
        loaded, known = {}, 0
        try:
            for key, attribute, field, read in self._flat:
                sent = data.get(key, missing)
                known += sent is not missing
                if read is None or sent is None or sent is missing:
                    value = field.deserialize(sent, key, data)
                else:
                    value = read(sent, key, data)
                if value is not missing:
                    loaded[attribute] = tuple(value) if type(value) is list else value
            return self.make(loaded) if known == len(data) else None
        except ValidationError:
            return None

    @cached_property
    def keys(self) -> Mapping[str, Field[Any]]:
        """The fields by the names that clients send."""
        return {field.data_key or name: field for name, field in self.load_fields.items()}


def _dumping(field: Field[Any]) -> Callable[..., object] | None:
    if isinstance(field, JsonField):
        plain = type(field).show is JsonField.show
    else:
        plain = type(field)._serialize is Field._serialize
    return None if plain else field._serialize


def _only_step(field: Field[Any]) -> Callable[..., object] | None:
    plain = type(field).deserialize is Field.deserialize
    more = (*field.pre_load, *field.validators, *field.post_load)
    return field._deserialize if plain and not more else None


def load(schema: RequestSchema[T], data: object, *, where: str = "body") -> T:
    """The request in ``data``, or :class:`ValidationFailed` that names every wrong field."""
    if (flat := schema.load_flat(data)) is not None:
        return flat
    try:
        loaded: T = schema.load(data)  # type: ignore[arg-type]  # marshmallow checks any value
    except ValidationError as error:
        raise refusal(error.messages, where) from None
    return loaded


def refusal(messages: object, where: str = "body") -> ValidationFailed:
    """Nested errors as one list: ``rules.0.end: must be …``."""
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

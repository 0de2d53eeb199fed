"""Strict schemas: they load typed requests, dump responses, and collect errors."""

from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from functools import cached_property
from operator import attrgetter
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


class _FlatField(NamedTuple):
    attribute: str
    read: Callable[[Any], object] | None
    """The field's one step for a value that is not null; ``None``: it has others."""
    field: Field[Any]


class _FlatFields(NamedTuple):
    """The fields of a schema without hooks and nested fields."""

    by_key: Mapping[str, _FlatField]
    required: Set[str]
    """Their attributes."""
    defaults: Mapping[str, object]
    """By attribute."""


class Strict(Schema):
    """Refuses unknown fields, and dumps plain attributes of objects."""

    class Meta:
        unknown = RAISE

    def path(self, attribute: str) -> str:
        """Where an object to be dumped has a field's attribute, such as ``window.start``."""
        return attribute

    def get_attribute(self, obj: Any, attr: str, default: object) -> object:
        """Attributes only: no look-ups in mappings."""
        return attrgetter(self.path(attr))(obj)

    @cached_property
    def _dump_one(self) -> Callable[[Any], Mapping[str, object]]:
        """All fields in one expression, compiled once, as dataclasses compiles ``__init__``."""
        known: dict[str, object] = {}
        pairs = []
        for n, (name, field) in enumerate(self.dump_fields.items()):
            attribute = field.attribute or name
            value = f"obj.{self.path(attribute)}"
            if isinstance(field, JsonField):
                if type(field).show is not JsonField.show:
                    known[f"show{n}"] = field.show
                    value = f"None if (value := {value}) is None else show{n}(value)"
            elif type(field)._serialize is not Field._serialize:
                known[f"write{n}"] = field._serialize
                value = f"write{n}({value}, {attribute!r}, obj)"
            pairs.append(f"{field.data_key or name!r}: {value}")
        dump: Callable[[Any], Mapping[str, object]]
        dump = eval(f"lambda obj: {{{', '.join(pairs)}}}", known)  # noqa: S307  # names of our fields
        return dump

    def _serialize(self, obj: Any, *, many: bool = False) -> Any:
        """Marshmallow's result in a tenth of the time.

        An appointment takes 1.3 µs instead of 19, a slot 0.5 instead of 3.6, and a booking dumps
        several (``tests/benchmarks/bench_schemas.py``).
        """
        return list(map(self._dump_one, obj)) if many else self._dump_one(obj)


class RequestSchema(Strict, Generic[T]):
    """Loads its type argument: the request that a service takes."""

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
    def _flat(self) -> _FlatFields | None:
        """``None`` for a schema with hooks of its own or nested fields."""
        hooks = {hook[0] for hooked in self._hooks.values() for hook in hooked}
        found = {
            field.data_key or name: _FlatField(field.attribute or name, _only_step(field), field)
            for name, field in self.load_fields.items()
        }
        nests = any(
            isinstance(getattr(field, "inner", field), Nested) for *_, field in found.values()
        )
        if nests or hooks != {"_make"}:
            return None
        defaults = {name: field.load_default for name, _, field in found.values()}
        return _FlatFields(
            found,
            frozenset(name for name, _, field in found.values() if field.required),
            {name: value for name, value in defaults.items() if value is not missing},
        )

    def load_flat(self, data: object) -> T | None:
        """What ``load`` returns for valid data of a flat schema; ``None``: ``load`` must decide.

        A booking takes 3.5 µs instead of 33, a command of one field 1.1 instead of 6.5
        (``tests/benchmarks/bench_schemas.py``).
        """
        flat = self._flat
        if flat is None or type(data) is not dict:
            return None
        loaded = dict(flat.defaults)
        try:
            for key, sent in data.items():
                if (known := flat.by_key.get(key)) is None:
                    return None
                attribute, read, field = known
                if read is None or sent is None:
                    value = field.deserialize(sent, key, data)
                else:
                    value = read(sent)
                loaded[attribute] = tuple(value) if type(value) is list else value
            return self.make(loaded) if flat.required <= loaded.keys() else None
        except ValidationError:
            return None

    @cached_property
    def of_nothing(self) -> T:
        """What is loaded where nothing was sent; raises ValidationFailed where that is wrong."""
        return load(self, {})

    @cached_property
    def keys(self) -> Mapping[str, Field[Any]]:
        """The fields by the names that clients send."""
        return {field.data_key or name: field for name, field in self.load_fields.items()}


class ChangeSchema(RequestSchema[T]):
    """Only what is sent changes; sending nothing is a mistake."""

    form: ClassVar = {"minProperties": 1}

    def make(self, data: Loaded) -> T:
        if not data:
            raise ValidationError("at least one field to change is needed")
        return super().make(data)


def _only_step(field: Field[Any]) -> Callable[[Any], object] | None:
    kind, more = type(field), (*field.pre_load, *field.validators, *field.post_load)
    if more or kind.deserialize is not Field.deserialize or not isinstance(field, JsonField):
        return None
    return field.read if kind._deserialize is JsonField._deserialize else None


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

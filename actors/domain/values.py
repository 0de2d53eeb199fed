"""Values: immutable objects that commands, events and rows are made of."""

from dataclasses import dataclass, field
from typing import TypeVar, dataclass_transform

T = TypeVar("T")


@dataclass_transform(kw_only_default=True, frozen_default=True, field_specifiers=(field,))
def value(cls: type[T]) -> type[T]:
    """Make a dataclass of keyword arguments and slots, compared and hashed by its fields.

    Type checkers refuse assignments to its fields. ``frozen=True`` would refuse them at run
    time, too, by setting each field through ``object.__setattr__``: an appointment would take
    2.2 µs instead of 0.7, and a booking makes about thirty values.
    """
    return dataclass(kw_only=True, slots=True, unsafe_hash=True)(cls)

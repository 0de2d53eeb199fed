"""What the shortcuts of the schemas save, against marshmallow's own way to load and dump.

Run by hand: ``python -m tests.benchmarks.bench_schemas``. Fails when it is not worth its lines.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from time import perf_counter

from marshmallow import Schema

from actors.services.availability import Slot
from api.realtime.socketio.inputs import LEAVE
from api.schemas.bodies import BOOK
from api.schemas.pages import SlotSchema
from api.schemas.resources import AppointmentSchema, Shown
from api.schemas.strict import Strict
from tests.unit.api_world import DENTIST, NAMES, TYPE, appointment

ROUNDS, CALLS = 50, 500
LEAST_RATIO = 1.5
AT = datetime(2027, 3, 8, 9, tzinfo=UTC)
RESOURCES: Mapping[type[Strict], object] = {
    AppointmentSchema: Shown(appointment(), NAMES),
    SlotSchema: Slot(dentist_id=DENTIST, appointment_type_id=TYPE, start=AT, end=AT),
}


def seconds(way: Callable[[object], object], value: object) -> float:
    began = perf_counter()
    for _ in range(CALLS):
        way(value)
    return perf_counter() - began


def compare(name: str, value: object, *ways: Callable[[object], object]) -> None:
    """Measure the shortcut and marshmallow's way in turns."""
    rounds = [[seconds(way, value) for way in ways] for _ in range(ROUNDS)]
    ours, theirs = (min(took) / CALLS * 1e6 for took in zip(*rounds, strict=True))
    print(f"{name:18} {ours:5.1f} µs, marshmallow {theirs:5.1f} µs")
    assert theirs / ours >= LEAST_RATIO, "the shortcut is not worth its lines any more"


def main() -> None:
    channel = {"channel": "hub:status"}
    compare("LeaveSchema", channel, LEAVE.load_flat, lambda _: LEAVE.load(channel))
    slot = {"dentist_id": DENTIST, "appointment_type_id": TYPE, "start": "2027-03-08T09:00:00Z"}
    compare("BookSchema", slot, BOOK.load_flat, lambda _: BOOK.load(slot))
    for schema, value in RESOURCES.items():
        plain = type(schema.__name__, (schema,), {"_serialize": Schema._serialize})
        compare(schema.__name__, value, schema().dump, plain().dump)


if __name__ == "__main__":
    main()

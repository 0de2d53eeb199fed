"""Pages of lists, and free slots, with the channel positions that they reflect."""

from collections.abc import Mapping, Sequence

import orjson

from actors.domain.announcements import ScheduleBody
from actors.domain.appointment import Appointment
from actors.domain.channels import Channel
from actors.domain.position import Position
from actors.ports.rendering import Names
from actors.services.availability import SlotPage
from actors.turns import SLICE_STARTS, Computation
from api.schemas import fields
from api.schemas.resources import RESERVATION, Shown
from api.schemas.schedule import availability_data
from api.schemas.strict import Strict

Item = dict[str, object]


class SlotSchema(Strict):
    """A bookable start; computed on demand, never stored."""

    dentist_id = fields.Id()
    appointment_type_id = fields.Id()
    start = fields.InstantField()
    end = fields.InstantField()


class PaginationSchema(Strict):
    limit = fields.Raw(metadata={"type": "integer"})
    next_cursor = fields.Raw(allow_none=True, metadata={"type": "string"})
    total = fields.Raw(
        allow_none=True,
        metadata={"type": "integer", "description": "`null` where nobody has counted"},
    )


def page_json(
    data: Sequence[Item],
    *,
    limit: int,
    next_cursor: str | None,
    total: int | None,
    position: tuple[Channel, Position] | None,
    positions: Mapping[Channel, Position] | None = None,
) -> bytes:
    """``{"data","pagination","position"}``; ``position`` is null for directories.

    Lists of appointments also have ``positions``, one for each channel of their rows.
    """
    page: Item = {
        "data": data,
        "pagination": _pagination(limit, next_cursor, total),
        "position": None if position is None else _position(*position),
    }
    if positions is not None:
        page["positions"] = [_position(*each) for each in positions.items()]
    return orjson.dumps(page)


def slots_json(page: SlotPage, *, limit: int, next_cursor: str | None) -> bytes:
    """Free slots over several dentists, with the position of each calendar looked at."""
    return orjson.dumps(
        {
            "data": page.slots,
            "pagination": _pagination(limit, next_cursor, None),
            "positions": [_position(*each) for each in page.positions.items()],
        },
        option=orjson.OPT_UTC_Z,
    )


def schedule_json(view: ScheduleBody) -> bytes:
    return orjson.dumps(availability_data(view.dentist_id, view.schedule))


async def availability_json(view: ScheduleBody, page: SlotPage, work: Computation) -> bytes:
    """A schedule with its free slots, and the position that they reflect."""
    shown, parts = availability_data(view.dentist_id, view.schedule), list[bytes]()
    for at in range(0, len(page.slots), SLICE_STARTS):
        slots = page.slots[at : at + SLICE_STARTS]
        times = [{"start": slot.start, "end": slot.end} for slot in slots]
        parts.append(orjson.dumps(times, option=orjson.OPT_UTC_Z)[1:-1])
        await work.spend(len(slots))
    shown["slots"] = orjson.Fragment(b"[" + b",".join(parts) + b"]")
    ((channel, position),) = page.positions.items()
    shown["position"] = _position(channel, position)
    return orjson.dumps(shown)


def reservation_json(row: Appointment, names: Names) -> bytes:
    return orjson.dumps(RESERVATION.dump(Shown(row, names)))


def _pagination(limit: int, next_cursor: str | None, total: int | None) -> Item:
    return {"limit": limit, "next_cursor": next_cursor, "total": total}


def _position(channel: Channel, position: Position) -> Item:
    return {"channel": channel, "epoch": position.epoch, "offset": position.offset}

"""The shortcut for flat schemas loads what marshmallow loads, or leaves it to marshmallow."""

from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from actors.domain.channels import Channel
from api.realtime.socketio import inputs
from api.schemas import bodies, chat, queries, schedule, webhooks
from api.schemas.strict import RequestSchema

ID: Final = "01976f2e-5b1a-7c3d-9e4f-0a1b2c3d4e5f"
SCHEMAS: Final = {
    f"{module.__name__}.{name}": value
    for module in (inputs, chat, bodies, queries, schedule, webhooks)
    for name, value in vars(module).items()
    if isinstance(value, RequestSchema)
}
VALUES = st.sampled_from(
    [
        *(ID, "", "text", "2027-03-08T09:00:00Z", "monday", "held", "a@b.example", "Europe/Berlin"),
        *(1, 0, -1, 10**20, True, None, 1.5, "é" * 300, "\x00"),
        *([], [ID], {}, {"epoch": 1, "offset": 2}),
    ]
)


def data_for(schema: RequestSchema[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Fields of the schema, and sometimes an unknown one."""
    names = [field.data_key or name for name, field in schema.load_fields.items()]
    return st.dictionaries(st.sampled_from([*names, "another"]), VALUES, max_size=len(names) + 1)


@pytest.mark.parametrize("schema", SCHEMAS.values(), ids=SCHEMAS)
@given(data=st.data())
def test_the_shortcut_agrees_with_marshmallow(
    schema: RequestSchema[Any], data: st.DataObject
) -> None:
    given_data = data.draw(data_for(schema))
    loaded = schema.load_flat(given_data)
    try:
        expected = schema.load(given_data)
    except ValidationError:
        assert loaded is None
    else:
        assert loaded in (None, expected)


def test_valid_data_of_a_flat_schema_take_the_shortcut() -> None:
    assert inputs.LEAVE.load_flat({"channel": "hub:status"}) == inputs.LeaveCommand(
        channel=Channel("hub:status")
    )


def test_schemas_with_hooks_or_nested_fields_do_not() -> None:
    assert inputs.JOIN.load_flat({"channel": "hub:status"}) is None
    assert queries.SLOTS.load_flat({}) is None

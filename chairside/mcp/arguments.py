"""Arguments of tools: their schemas, what counts as sent, and refusals that name them."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from mcp.server.mcpserver.exceptions import ToolError
from pydantic import ValidationError

from chairside.mcp.results import ToolRefused

_NAMES_MAX: Final = 10
_NAME_MAX_CHARS: Final = 100
_DESCRIBES: Final = ("title", "description", "default")

JsonSchema = dict[str, Any]


def strict_schema(schema: JsonSchema) -> JsonSchema:
    """The schema as the tools check it: null for an optional argument, and no other arguments."""
    required = schema.get("required", ())
    properties = {
        name: form if name in required else _or_null(form)
        for name, form in schema.get("properties", {}).items()
    }
    return {**schema, "properties": properties, "additionalProperties": False}


def given_arguments(schema: JsonSchema, sent: Mapping[str, object]) -> dict[str, object]:
    """``sent`` without the optional arguments that are null: these were left out.

    Raises ToolRefused for arguments that the tool does not have: one with a misspelt name would
    be lost in silence.
    """
    known, required = schema["properties"], schema.get("required", ())
    if unknown := [name for name in sent if name not in known]:
        names = ", ".join(name[:_NAME_MAX_CHARS] for name in unknown[:_NAMES_MAX])
        has = ", ".join(known) or "none"
        raise ToolRefused("VALIDATION_ERROR", f"unknown arguments: {names} (it takes: {has})")
    return {name: value for name, value in sent.items() if value is not None or name in required}


def refused_arguments(error: ToolError) -> ToolRefused:
    """The refusal of arguments that do not fit the schema, each by its name."""
    if isinstance(error.__cause__, ValidationError):
        wrong = list(_wrong(error.__cause__))[:_NAMES_MAX]
        return ToolRefused("VALIDATION_ERROR", "; ".join(wrong))
    return ToolRefused("VALIDATION_ERROR", str(error))


def _wrong(error: ValidationError) -> Iterator[str]:
    """``from_date: Field required`` for each; never the value, which may be private or huge."""
    for one in error.errors(include_url=False, include_context=False, include_input=False):
        name = ".".join(str(part) for part in one["loc"])[:_NAME_MAX_CHARS]
        yield f"{name}: {one['msg'].removeprefix('Value error, ')}"


def _or_null(form: JsonSchema) -> JsonSchema:
    kinds = form.get("anyOf")
    if kinds is None:
        rules = {key: value for key, value in form.items() if key not in _DESCRIBES}
        kinds = [rules]
    if {"type": "null"} not in kinds:
        kinds = [*kinds, {"type": "null"}]
    return {**{key: form[key] for key in _DESCRIBES if key in form}, "anyOf": kinds}

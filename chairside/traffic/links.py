"""Reads ``links.json`` of ``chairside demo``: people with their tokens."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class LinksError(Exception):
    """The file cannot be used. The message is one sentence for the user."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LinkedPerson:
    id: str
    token: str = field(repr=False)


@dataclass(frozen=True, kw_only=True, slots=True)
class Links:
    dentists: tuple[LinkedPerson, ...]
    patients: tuple[LinkedPerson, ...]
    chatbot_token: str = field(repr=False)
    """A service token, which acts for the patient that each request names."""
    appointment_type_ids: tuple[str, ...]
    practice_id: str | None = None
    """Of all dentists, with ``desks``; ``None``: a simulation without a front desk."""
    desks: tuple[LinkedPerson, ...] = ()
    stranger: LinkedPerson | None = None
    """The desk of another practice, which must see nothing."""

    @classmethod
    def from_json(cls, raw: Mapping[str, Any]) -> "Links":
        """Raises :class:`LinksError` when something needed is missing."""
        try:
            links = cls(
                dentists=_people(raw["dentists"]),
                patients=_people(raw["patients"]),
                chatbot_token=raw["chatbot"]["token"],
                appointment_type_ids=tuple(one["id"] for one in raw["appointment_types"]),
            )
        except (KeyError, TypeError) as missing:
            raise LinksError(f"links without {missing}: not a file of `chairside demo`") from None
        if not (links.dentists and links.patients and links.appointment_type_ids):
            raise LinksError("traffic needs a dentist, a patient and an appointment type")
        return links


def read_links(path: Path) -> Links:
    """Raises :class:`LinksError`."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except OSError:
        raise LinksError(
            f"cannot read {path}: start a demo clinic with `chairside demo`, or name its"
            " links.json with --links"
        ) from None
    except ValueError:
        raise LinksError(f"{path} is not JSON") from None
    return Links.from_json(raw)


def _people(raw: list[Mapping[str, Any]]) -> tuple[LinkedPerson, ...]:
    return tuple(LinkedPerson(id=one["id"], token=one["token"]) for one in raw)

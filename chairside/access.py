"""As whom a chatbot's process acts: one patient, by a token that says so (DESIGN: delegation).

Shared by ``chairside chat`` and ``chairside mcp``.
"""

import argparse
import base64
import binascii
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import UUID

DEFAULT_LINKS: Final = Path("var/links.json")
TOKEN, PATIENT, URL = "CHAIRSIDE_TOKEN", "CHAIRSIDE_PATIENT", "CHAIRSIDE_URL"  # names of variables
DEFAULT_URL: Final = "http://127.0.0.1:8080"

NOT_DELEGATED: Final = (
    "this is the patient's own token: what the chatbot does would look as if the patient had done"
    " it alone. Use a token with an `act` claim (`chairside token --role patient --subject ID"
    f" --actor NAME`), or a chatbot's service token and the patient's id ({PATIENT})"
)


class AccessError(Exception):
    """Nobody to act for; ``str()`` says in one sentence what is missing."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Access:
    url: str
    token: str = field(repr=False)
    patient: str | None
    """For ``On-Behalf-Of``; ``None`` with a patient's own token."""


def add_access(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url", metavar="URL", help=f"the hub; default: {URL}, else that of the links"
    )
    parser.add_argument(
        "--patient",
        metavar="WHO",
        help=f"for whom a chatbot's service token acts: an id, or with links a name or number;"
        f" default: {PATIENT}, else the first of the links",
    )
    parser.add_argument(
        "--links",
        type=Path,
        default=DEFAULT_LINKS,
        metavar="FILE",
        help=f"where the token comes from unless {TOKEN} is set, as `chairside demo` writes it;"
        f" default: {DEFAULT_LINKS}",
    )


def access_of(args: argparse.Namespace, environ: Mapping[str, str]) -> Access:
    """Whom to act for; raises AccessError that says what is missing."""
    url, who = args.url or environ.get(URL), args.patient or environ.get(PATIENT)
    token = environ.get(TOKEN)
    if token is None:
        return _from_links(args.links, url, who)
    patient = None
    if who is not None:
        try:
            patient = str(UUID(who))
        except ValueError:
            raise AccessError(
                f"{PATIENT} (--patient) must be the id of a patient, not “{who}”"
            ) from None
    check_delegated(token, patient)
    return Access(url=url or DEFAULT_URL, token=token, patient=patient)


def check_delegated(token: str, patient: str | None) -> None:
    """Raise AccessError for a token that would hide that a chatbot acts."""
    if patient is None and not names_actor(token):
        raise AccessError(NOT_DELEGATED)


def names_actor(token: str) -> bool:
    """Whether a token says that a chatbot uses it (RFC 8693 ``act``).

    Read without verifying: the hub verifies, this only keeps mistakes from being made.
    """
    try:
        part = token.split(".")[1]
        claims: Any = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    except (IndexError, ValueError, binascii.Error):
        return False
    return isinstance(claims, dict) and "act" in claims


def _from_links(path: Path, url: str | None, who: str | None) -> Access:
    try:
        links = json.loads(path.read_text(encoding="utf-8"))
        patients: list[dict[str, str]] = links["patients"]
        token: str = links["chatbot"]["token"]
        found = _patient(patients, who)
        return Access(url=url or links["url"], token=token, patient=found)
    except OSError:
        raise AccessError(
            f"no token: set {TOKEN}, or start a demo clinic with `chairside demo` (cannot read"
            f" {path})"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise AccessError(f"{path} is not a file of `chairside demo`") from None


def _patient(patients: list[dict[str, str]], who: str | None) -> str:
    """By id, by number from 1, or by a part of the name."""
    if who is None:
        return patients[0]["id"]
    if who.isdigit() and 1 <= int(who) <= len(patients):
        return patients[int(who) - 1]["id"]
    for one in patients:
        if who == one["id"] or who.lower() in one["name"].lower():
            return one["id"]
    raise AccessError(f"the links have no patient “{who}”")

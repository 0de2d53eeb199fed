"""Chooses the hub, the token and the patient of ``chairside chat`` and ``chairside mcp``."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from uuid import UUID

from chairside.patient_access import NOT_DELEGATED, PatientAccess
from hub.cli.common import CliError

DEFAULT_LINKS: Final = Path("var/links.json")
DEFAULT_URL: Final = "http://127.0.0.1:8080"
TOKEN, PATIENT, URL = "CHAIRSIDE_TOKEN", "CHAIRSIDE_PATIENT", "CHAIRSIDE_URL"  # variables


def add_patient_access(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--url", metavar="URL", help=f"the hub; default: {URL}, else that of the links"
    )
    parser.add_argument(
        "--patient",
        metavar="PATIENT",
        help="the patient for whom a chatbot's service token acts: an id, or with links a name or"
        f" number; default: {PATIENT}, else the first of the links",
    )
    parser.add_argument(
        "--links",
        type=Path,
        default=DEFAULT_LINKS,
        metavar="FILE",
        help=f"source of the token unless {TOKEN} is set, as `chairside demo` writes it;"
        f" default: {DEFAULT_LINKS}",
    )


def patient_access(args: argparse.Namespace, environ: Mapping[str, str]) -> PatientAccess:
    """From arguments and variables. Raises CliError that says what is missing."""
    url, patient = args.url or environ.get(URL), args.patient or environ.get(PATIENT)
    token = environ.get(TOKEN)
    if token is None:
        return _from_links(args.links, url, patient)
    if patient is not None:
        try:
            patient = str(UUID(patient))
        except ValueError:
            raise CliError(
                f"{PATIENT} (--patient) must be the id of a patient, not “{patient}”"
            ) from None
    access = PatientAccess(url=url or DEFAULT_URL, token=token, on_behalf_of=patient)
    if not access.is_delegated:
        raise CliError(f"{NOT_DELEGATED} ({PATIENT})")
    return access


def _from_links(path: Path, url: str | None, patient: str | None) -> PatientAccess:
    try:
        links = json.loads(path.read_text(encoding="utf-8"))
        return PatientAccess(
            url=url or links["url"],
            token=links["chatbot"]["token"],
            on_behalf_of=_patient_id(links["patients"], patient),
        )
    except OSError:
        raise CliError(
            f"no token: set {TOKEN}, or start a demo clinic with `chairside demo` (cannot read"
            f" {path})"
        ) from None
    except (ValueError, KeyError, TypeError):
        raise CliError(f"{path} is not a file of `chairside demo`") from None


def _patient_id(patients: list[dict[str, str]], wanted: str | None) -> str:
    """By id, by number from 1, or by a part of the name."""
    if wanted is None:
        return patients[0]["id"]
    if wanted.isdigit() and 1 <= int(wanted) <= len(patients):
        return patients[int(wanted) - 1]["id"]
    for patient in patients:
        if wanted == patient["id"] or wanted.lower() in patient["name"].lower():
            return patient["id"]
    raise CliError(f"the links have no patient “{wanted}”")

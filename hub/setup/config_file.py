"""The configuration file that setting up writes where there is none."""

import json
import os
import secrets
from pathlib import Path

from hub.config import Config

_OWNER_ONLY = 0o600
_SECRET_BYTES = 48
_MAKES_SECRET = f"python3 -c 'import secrets; print(secrets.token_urlsafe({_SECRET_BYTES}))'"
_HEAD = (
    "# Written by `chairside setup`. Every setting with its default: config.toml of the"
    " documentation.\n# This file contains the key of all tokens: only its owner may read it.\n"
)


def first_config(base: Config, *, database: str | None, region: str) -> str:
    """The text of a new file: what a practice needs beside the defaults.

    ``base`` has the settings of the environment, which the file does not repeat.
    """
    keys: dict[str, dict[str, str]] = {}
    if database:
        keys["database"] = {"url": json.dumps(database)}
    if not base.auth.has_keys:
        keys["auth"] = {"secret": json.dumps(secrets.token_urlsafe(_SECRET_BYTES))}
    if not (base.sign_in.enabled or base.server.public_url):
        address = f"http://localhost:{base.server.port}"
        keys["server"] = {"public_url": f"{json.dumps(address)}  # https://… for other machines"}
        keys["sign_in"] = {"enabled": "true"}
    keys["practice"] = {"region": json.dumps(region), "require_contact": "true"}
    sections = (
        "\n".join([f"[{name}]", *(f"{key} = {value}" for key, value in values.items()), ""])
        for name, values in keys.items()
    )
    return "\n".join([_HEAD, *sections])


def write_config(path: Path, text: str) -> None:
    """Write the file as a whole, or not at all. Raises OSError, also if it is there already."""
    draft = path.with_name(f".{path.name}.part")
    draft.unlink(missing_ok=True)
    try:
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.link(draft, path)  # fails if another process was faster
    finally:
        draft.unlink(missing_ok=True)


def missing_lines(config: Config, region: str) -> list[str]:
    """What an existing configuration lacks for a practice, as lines of TOML to write there.

    They are printed, so a key of tokens is not among them, but how to make one.
    """
    auth, practice = [], []
    if not config.auth.has_keys:
        auth.append(f"# secret = the line, in quotes, that this prints: {_MAKES_SECRET}")
    if not config.practice.require_contact:
        practice.append("require_contact = true")
    if region and not config.practice.region:
        practice.append(f"region = {json.dumps(region)}")
    sections = {"auth": auth, "practice": practice}
    return [line for name, keys in sections.items() if keys for line in (f"[{name}]", *keys)]

"""The settings of the API: section ``[api]`` of ``config.toml``."""

import re
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge

from actors.bounds import Count, Positive

_ORIGIN = re.compile(r"https?://(\[[0-9a-f:]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class ApiSettings:
    """Limits of requests, and which web pages may call the API or frame its screens."""

    max_body_bytes: Annotated[int, Ge(1024)] = 262_144
    max_import_bytes: Annotated[int, Ge(1024)] = 20_000_000
    """Of a file of patients, at its own route."""
    cors_origins: tuple[str, ...] = ()
    """Origins whose pages may call the API, e.g. ``https://clinic.example``; ``*`` is any."""
    frame_origins: tuple[str, ...] = ()
    """Origins whose pages may show the screens in a frame and sign them in."""
    rate_per_s: Positive = 50.0
    rate_burst: Count = 200
    stored_bytes_per_day: Annotated[int, Ge(0)] = 100_000_000
    """Bytes that the commands of one user may store in a day; 0: no limit."""
    metrics: Literal["public", "admin", "off"] = "admin"

    def __post_init__(self) -> None:
        for origin in self.frame_origins:  # they become part of a response header
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(
                    f'frame_origins: "{origin}" is no origin;'
                    ' write it like "https://clinic.example"'
                )

"""Content negotiation (RFC 9110 §12.5.1), as far as two forms of one resource need it."""


def prefers(accept: str | None, wanted: str, other: str) -> bool:
    """Whether the client accepts ``wanted`` by name, and does not prefer ``other``.

    Between equal qualities the first one counts; a wildcard names no format.
    """
    named = [_media_range(part) for part in (accept or "").split(",")]
    mine = [(quality, -place) for place, (name, quality) in enumerate(named) if name == wanted]
    others = [(quality, -place) for place, (name, quality) in enumerate(named) if name == other]
    return bool(mine) and max(mine)[0] > 0 and max(mine) > max(others, default=(0.0, 0))


def _media_range(part: str) -> tuple[str, float]:
    name, *parameters = (each.strip().lower() for each in part.split(";"))
    for parameter in parameters:
        if parameter.startswith("q="):
            try:
                return name, float(parameter[2:])
            except ValueError:
                return name, 0.0
    return name, 1.0

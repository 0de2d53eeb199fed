"""The headers of every response."""

from typing import Final

from multidict import MutableMultiMapping

NO_FRAMES: Final = "frame-ancestors 'none'"


def secure(headers: MutableMultiMapping[str], request_id: str) -> None:
    """Add the request id, and what keeps browsers from misusing a response."""
    headers.setdefault("X-Request-ID", request_id)
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Referrer-Policy"] = "no-referrer"
    headers["Cross-Origin-Opener-Policy"] = "same-origin"
    policy = headers.setdefault("Content-Security-Policy", f"default-src 'none'; {NO_FRAMES}")
    if NO_FRAMES in policy:
        headers["X-Frame-Options"] = "DENY"
    headers.setdefault("Cache-Control", "no-store")

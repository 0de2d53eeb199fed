"""The headers of every response."""

from typing import Final

from multidict import CIMultiDict

NO_FRAMES: Final = "frame-ancestors 'none'"
PAGE_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:;"
    " font-src 'self'; connect-src 'self'; manifest-src 'self'; base-uri 'none';"
    f" form-action 'none'; {NO_FRAMES}"
)
"""Of pages: files of this hub only, nothing inline, in nobody's frame."""
_POLICY: Final = "Content-Security-Policy"
_DEFAULTS: Final = CIMultiDict(
    {
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
        _POLICY: f"default-src 'none'; {NO_FRAMES}",
        "Cache-Control": "no-store",
    }
)


def secure(headers: CIMultiDict[str], request_id: str) -> None:
    """Add the request id, and what keeps browsers from misusing a response."""
    policy = headers.get(_POLICY, NO_FRAMES)
    headers.merge(_DEFAULTS)  # keeps what the response has
    headers.setdefault("X-Request-ID", request_id)
    if NO_FRAMES in policy:
        headers["X-Frame-Options"] = "DENY"

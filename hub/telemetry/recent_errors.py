"""The last errors of this process, for the status page, without any personal data.

Only the event name, the logger and the time are kept. Texts and fields may contain anything;
they stay in the log, which redacts them.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from structlog.typing import EventDict, WrappedLogger

_LEVELS = frozenset({"error", "critical", "exception"})
_NAME = re.compile(r"[A-Za-z0-9_.]{1,80}", re.ASCII)
_KEPT = 20


@dataclass(frozen=True, slots=True)
class RecentError:
    time: str
    event: str
    logger: str
    count: int


class RecentErrors:
    """Counts errors by event and logger; a structlog processor that changes nothing."""

    def __init__(self) -> None:
        self._errors: OrderedDict[tuple[str, str], RecentError] = OrderedDict()

    def __call__(self, _logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        if event.get("level") in _LEVELS:
            self._note(event)
        return event

    def newest(self) -> tuple[RecentError, ...]:
        return tuple(reversed(self._errors.values()))

    def _note(self, event: Mapping[str, Any]) -> None:
        logger = _safe(event.get("logger"), "?")
        kind = (_safe(event.get("event"), "message"), logger)
        known = self._errors.pop(kind, None) or RecentError("", *kind, 0)
        time = _safe_time(event.get("time"))
        self._errors[kind] = replace(known, time=time, count=known.count + 1)
        while len(self._errors) > _KEPT:
            self._errors.popitem(last=False)


def _safe(value: object, otherwise: str) -> str:
    """``value`` if it is an identifier; a sentence may quote personal data."""
    return value if isinstance(value, str) and _NAME.fullmatch(value) else otherwise


def _safe_time(value: object) -> str:
    return value if isinstance(value, str) else ""

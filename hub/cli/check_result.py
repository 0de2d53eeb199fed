"""One line of ``chairside check``."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CheckResult:
    ok: bool
    """Whether a hub can run with this."""
    what: str
    warning: bool = False
    """A hub can run, but should not in production."""

    @property
    def sign(self) -> str:
        if self.warning:
            return "!"
        return "✓" if self.ok else "✗"


def warning(what: str) -> CheckResult:
    return CheckResult(True, what, warning=True)

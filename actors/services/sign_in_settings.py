"""How people sign in at the hub itself: section ``[sign_in]`` of ``config.toml``."""

from dataclasses import dataclass, field

from actors.bounds import Positive


@dataclass(frozen=True, kw_only=True, slots=True)
class SignInSettings:
    enabled: bool = False
    email_codes: bool = False
    """Whether patients who have an account sign in with codes that are sent by mail."""
    idle_hours: Positive = 24.0
    session_days: Positive = 30.0
    key_days: Positive = 30.0
    key_password: str = field(default="", repr=False)
    """Encrypts the hub's signing keys in the database; empty: they are not encrypted."""

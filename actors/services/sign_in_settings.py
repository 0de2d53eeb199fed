"""How people sign in at the hub itself: section ``[sign_in]`` of ``config.toml``."""

from dataclasses import dataclass, field
from typing import Final

from actors.bounds import Positive
from actors.domain.principal import Role

PEOPLE: Final = frozenset({Role.PATIENT, Role.STAFF, Role.DENTIST, Role.ADMIN})
"""The roles of people, who sign in; chatbots have tokens of their issuer."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SignInSettings:
    enabled: bool = False
    email_codes: bool = False
    """Whether patients who have an account sign in with codes that are sent by mail."""
    registration: bool = False
    """Whether patients register by themselves, with a verified address."""
    passkey_roles: tuple[str, ...] = ("staff", "dentist", "admin")
    """Roles that sign in with a passkey only."""
    idle_hours: Positive = 24.0
    session_days: Positive = 30.0
    key_days: Positive = 30.0
    key_password: str = field(default="", repr=False)
    """Encrypts the hub's signing keys in the database; empty: they are not encrypted."""

    def __post_init__(self) -> None:
        if unknown := sorted(set(self.passkey_roles) - PEOPLE):
            raise ValueError(f'passkey_roles has "{unknown[0]}", which is no role of a person')
        if self.registration and not self.email_codes:
            raise ValueError("registration needs email_codes, which verify addresses")
        if self.registration and Role.PATIENT in self.passkey_roles:
            raise ValueError("registration needs patients who sign in without a passkey")

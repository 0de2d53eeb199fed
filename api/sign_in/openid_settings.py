"""The identity provider at which people may sign in: section ``[openid]`` of ``config.toml``."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

from actors.bounds import Positive
from actors.domain.principal import Role
from actors.services.sign_in_settings import PEOPLE
from api.keys import ASYMMETRIC, refuse_unsafe_source

_OPENID: Final = "openid"


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenIdSettings:
    issuer: str = ""
    """Its address, as its tokens name it; empty: there is none."""
    name: str = ""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    """Empty: a public client, which PKCE alone protects."""
    scopes: tuple[str, ...] = (_OPENID, "email", "profile")
    algorithms: tuple[str, ...] = ("RS256", "ES256")
    """Allow-list of signatures of ID tokens."""
    trust_email: bool = False
    replaces_passkey: bool = False
    role_claim: str = ""
    practice_claim: str = ""
    create_roles: tuple[str, ...] = ()
    timeout_s: Positive = 10.0

    def __post_init__(self) -> None:
        if not self.issuer:
            return
        if "://" not in self.issuer:
            raise ValueError("issuer must be an https address")
        refuse_unsafe_source(self.issuer)
        if not self.client_id:
            raise ValueError("client_id is needed: the hub's name at the provider")
        if _OPENID not in self.scopes:
            raise ValueError('scopes must contain "openid"')
        if not self.algorithms or set(self.algorithms) - ASYMMETRIC:
            raise ValueError(f"algorithms must be some of {', '.join(sorted(ASYMMETRIC))}")
        if unknown := sorted(set(self.create_roles) - PEOPLE):
            raise ValueError(f'create_roles has "{unknown[0]}", which is no role of a person')
        if set(self.create_roles) - {Role.PATIENT} and not self.role_claim:
            raise ValueError("create_roles other than patient need role_claim")

    @property
    def shown_name(self) -> str:
        return self.name or urlsplit(self.issuer).hostname or self.issuer

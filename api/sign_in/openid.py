"""Sign-in by OpenID Connect: the code flow with PKCE, state and nonce."""

import hmac
from collections.abc import Sequence
from typing import Final

import jwt
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.rfc6749.parameters import prepare_grant_uri, prepare_token_request
from authlib.oauth2.rfc7636 import create_s256_code_challenge
from authlib.oidc.core import CodeIDToken
from joserfc.errors import JoseError

from actors.domain.contact import email_address
from actors.domain.ids import PracticeId, parse_id
from actors.domain.principal import Role
from actors.domain.provider import ProvidedPerson, ProviderSecrets
from actors.domain.refusals import InvalidToken
from actors.ports.clock import Clock
from actors.services.sign_in_settings import PEOPLE
from api.keys import VerifyingKey, parse_keys
from api.sign_in.openid_metadata import Discovery, Json, ProviderMetadata
from api.sign_in.openid_settings import OpenIdSettings
from api.token_claims import claim_at, name_of, subject_of

_LEEWAY_S: Final = 60
"""By which the provider's clock may differ."""
_KEYS_TRIED_MAX: Final = 4
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}


class OpenIdProvider:
    """Implements :class:`actors.ports.sign_in.IdentityProvider`.

    The keys of the provider are read at each sign-in, so one that it withdrew verifies nothing.
    """

    def __init__(self, settings: OpenIdSettings, clock: Clock, *, redirect_uri: str) -> None:
        self._settings, self._clock, self._redirect_uri = settings, clock, redirect_uri
        self._discovery = Discovery(settings.issuer, clock, timeout_s=settings.timeout_s)

    @property
    def issuer(self) -> str:
        return self._settings.issuer

    async def address(self, secrets: ProviderSecrets) -> str:
        found = await self._discovery.metadata()
        return str(
            prepare_grant_uri(
                found.authorization,
                self._settings.client_id,
                "code",
                redirect_uri=self._redirect_uri,
                scope=list(self._settings.scopes),
                state=secrets.state,
                nonce=secrets.nonce,
                code_challenge=create_s256_code_challenge(secrets.verifier),
                code_challenge_method="S256",
            )
        )

    async def person(
        self, code: str, secrets: ProviderSecrets, issuer: str | None
    ) -> ProvidedPerson:
        found = await self._discovery.metadata()
        if issuer != self.issuer and (issuer is not None or found.sends_issuer):
            raise InvalidToken("the response is of another issuer")
        try:
            tokens = await self._exchanged(code, secrets, found)
            claims = await self._verified(tokens, secrets, found)
            about = await self._userinfo(tokens, claims, found)
        except ValueError as error:
            raise InvalidToken("the provider's response cannot be read") from error
        return self._person(claims, about)

    async def _exchanged(
        self, code: str, secrets: ProviderSecrets, found: ProviderMetadata
    ) -> Json:
        """The tokens for a code (RFC 6749 §4.1.3)."""
        settings = self._settings
        form = prepare_token_request(
            "authorization_code",
            code=code,
            redirect_uri=self._redirect_uri,
            code_verifier=secrets.verifier,
        )
        auth = ClientAuth(settings.client_id, settings.client_secret, self._method(found))
        address, headers, body = auth.prepare("POST", found.token, dict(_FORM), form)
        return await self._discovery.request("POST", address, body=body, headers=headers)

    def _method(self, found: ProviderMetadata) -> str:
        if not self._settings.client_secret:
            return "none"
        is_posted = "client_secret_basic" not in found.client_auth
        return "client_secret_post" if is_posted else "client_secret_basic"

    async def _verified(
        self, tokens: Json, secrets: ProviderSecrets, found: ProviderMetadata
    ) -> Json:
        """The claims of the ID token (OpenID Connect Core §3.1.3.7)."""
        token, access = tokens.get("id_token"), tokens.get("access_token")
        if not isinstance(token, str):
            raise InvalidToken("no ID token")
        keys = parse_keys(await self._discovery.read("GET", found.jwks))
        header, payload = _signed(token, keys, self._settings.algorithms)
        client = self._settings.client_id
        try:
            CodeIDToken(
                payload,
                header,
                options={
                    "iss": {"essential": True, "value": self.issuer},
                    "aud": {"essential": True, "value": client},
                },
                params={"nonce": secrets.nonce, "client_id": client, "access_token": access},
            ).validate(now=int(self._clock.now().timestamp()), leeway=_LEEWAY_S)
        except (JoseError, ValueError, TypeError, AttributeError) as error:
            raise InvalidToken(f"ID token: {error}"[:200]) from error
        return payload

    async def _userinfo(self, tokens: Json, claims: Json, found: ProviderMetadata) -> Json:
        """What the provider says of the same person beside the ID token."""
        access = tokens.get("access_token")
        if found.userinfo is None or not isinstance(access, str):
            return {}
        if not (access.isascii() and access.isprintable()):
            raise InvalidToken("no usable access token")
        headers = {"Authorization": f"Bearer {access}"}
        about = await self._discovery.request("GET", found.userinfo, headers=headers)
        if not hmac.compare_digest(str(about.get("sub")).encode(), str(claims["sub"]).encode()):
            raise InvalidToken("the user info is of another person")
        return about

    def _person(self, signed: Json, about: Json) -> ProvidedPerson:
        """The ID token counts first. An address is verified where it is named."""
        claims, contact = {**about, **signed}, signed if "email" in signed else about
        email = contact.get("email")
        is_verified = contact.get("email_verified") is True and isinstance(email, str)
        practice = self._claim(claims, self._settings.practice_claim)
        return ProvidedPerson(
            issuer=self.issuer,
            subject=subject_of(claims.get("sub")),
            name=name_of(claims.get("name")),
            email=email_address(str(email).strip()) if is_verified else None,
            role=_role(self._claim(claims, self._settings.role_claim)),
            practice=PracticeId(parse_id(practice) or "") if isinstance(practice, str) else None,
        )

    def _claim(self, claims: Json, path: str) -> object:
        return claim_at(claims, path) if path else None


def _signed(
    token: str, keys: Sequence[VerifyingKey], algorithms: Sequence[str]
) -> tuple[Json, Json]:
    """Header and payload of a token that one of the keys verifies. Raises InvalidToken."""
    try:
        header = jwt.get_unverified_header(token)
    except jwt.PyJWTError as error:
        raise InvalidToken(type(error).__name__) from error
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in algorithms:
        raise InvalidToken("an algorithm that is not allowed")
    fitting = [each for each in keys if each.algorithm == algorithm and kid in (None, each.kid)]
    for key in fitting[:_KEYS_TRIED_MAX]:
        try:
            found = jwt.decode_complete(
                token,
                key.key,
                algorithms=[key.algorithm],
                options={
                    "verify_aud": False,
                    "verify_exp": False,
                    "verify_iat": False,
                    "verify_nbf": False,
                },
            )
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        return header, found["payload"]
    raise InvalidToken("no key of the provider verifies the ID token")


def _role(value: object) -> Role | None:
    """The only role of a person that the claim names: a text, or a list of texts."""
    named = value if isinstance(value, list) else [value]
    found = {each for each in named if isinstance(each, str) and each in PEOPLE}
    return Role(found.pop()) if len(found) == 1 else None

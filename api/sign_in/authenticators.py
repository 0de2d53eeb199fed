"""Passkeys by the WebAuthn standard: options for browsers, and checks of what they answer."""

from collections.abc import Mapping
from urllib.parse import urlsplit

import orjson
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers import base64url_to_bytes, bytes_to_base64url
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from actors.domain.refusals import InvalidToken
from actors.domain.sign_in import Begun, Passkey
from actors.ports.sign_in import MadePasskey

_RP_NAME = "Chairside"
_ID_MAX_CHARS = 1_400
"""Of a credential of 1,023 bytes, the most that the standard allows."""


class WebAuthn:
    """Implements :class:`actors.ports.sign_in.Authenticators` for one origin.

    The person is verified by the authenticator each time, with a PIN or a biometric feature.
    """

    def __init__(self, *, origin: str, host: str) -> None:
        self._origin, self._host = origin, host

    @classmethod
    def at(cls, public_url: str) -> "WebAuthn":
        """For the pages of this address."""
        return cls(origin=public_url, host=urlsplit(public_url).hostname or "")

    def options(self, begun: Begun) -> dict[str, object]:
        if begun.account_id is None:
            asking = generate_authentication_options(
                rp_id=self._host,
                challenge=begun.challenge,
                user_verification=UserVerificationRequirement.REQUIRED,
            )
            return {"get": orjson.loads(options_to_json(asking))}
        making = generate_registration_options(
            rp_id=self._host,
            rp_name=_RP_NAME,
            user_id=begun.account_id.encode(),
            user_name=begun.name,
            user_display_name=begun.name,
            challenge=begun.challenge,
            exclude_credentials=[
                PublicKeyCredentialDescriptor(id=base64url_to_bytes(each)) for each in begun.known
            ],
            authenticator_selection=AuthenticatorSelectionCriteria(
                resident_key=ResidentKeyRequirement.REQUIRED,
                user_verification=UserVerificationRequirement.REQUIRED,
            ),
        )
        return {"create": orjson.loads(options_to_json(making))}

    def id_of(self, credential: Mapping[str, object]) -> str:
        found = credential.get("id")
        if not isinstance(found, str) or not found or len(found) > _ID_MAX_CHARS:
            raise InvalidToken("a passkey without an id")
        return found

    def made(self, credential: Mapping[str, object], challenge: bytes) -> MadePasskey:
        self.id_of(credential)
        try:
            found = verify_registration_response(
                credential=dict(credential),
                expected_challenge=challenge,
                expected_rp_id=self._host,
                expected_origin=self._origin,
                require_user_verification=True,
            )
        except Exception as error:  # of any kind: a browser sent it, and the library parses it
            raise InvalidToken(type(error).__name__) from error
        return MadePasskey(
            id=bytes_to_base64url(found.credential_id),
            public_key=found.credential_public_key,
            sign_count=found.sign_count,
        )

    def used(self, credential: Mapping[str, object], challenge: bytes, passkey: Passkey) -> int:
        try:
            found = verify_authentication_response(
                credential=dict(credential),
                expected_challenge=challenge,
                expected_rp_id=self._host,
                expected_origin=self._origin,
                credential_public_key=passkey.public_key,
                credential_current_sign_count=passkey.sign_count,
                require_user_verification=True,
            )
        except Exception as error:  # of any kind: a browser sent it, and the library parses it
            raise InvalidToken(type(error).__name__) from error
        return found.new_sign_count

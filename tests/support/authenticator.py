"""An authenticator in software: makes and uses passkeys as a browser's does."""

import base64
import hashlib
import json
import secrets
from dataclasses import dataclass, field
from typing import Any, Final

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

_PRESENT, _VERIFIED, _MADE = 0x01, 0x04, 0x40
_ES256: Final = -7


def text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def of_text(data: str) -> bytes:
    return base64.urlsafe_b64decode(data + "=" * (-len(data) % 4))


@dataclass
class Authenticator:
    """Holds one passkey. Its settings make it misbehave."""

    origin: str
    host: str = "localhost"
    verifies_user: bool = True
    count: int = 0
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )
    id: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    user: bytes = b""

    def create(self, options: dict[str, Any]) -> dict[str, Any]:
        """Answer the options of ``navigator.credentials.create``."""
        self.user = of_text(options["user"]["id"])
        client = self._client("webauthn.create", options["challenge"])
        length = len(self.id).to_bytes(2)
        data = self._data(_MADE) + bytes(16) + length + self.id + self._public()
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(client, attestationObject=text(attestation), transports=["internal"])

    def get(self, options: dict[str, Any]) -> dict[str, Any]:
        """Answer the options of ``navigator.credentials.get``."""
        self.count += 1
        client, data = self._client("webauthn.get", options["challenge"]), self._data(0)
        signed = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            client,
            authenticatorData=text(data),
            signature=text(signed),
            userHandle=text(self.user),
        )

    def _answer(self, client: bytes, **response: Any) -> dict[str, Any]:
        return {
            "id": text(self.id),
            "rawId": text(self.id),
            "type": "public-key",
            "response": {"clientDataJSON": text(client), **response},
            "clientExtensionResults": {},
        }

    def _client(self, kind: str, challenge: str) -> bytes:
        said = {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        return json.dumps(said).encode()

    def _data(self, flags: int) -> bytes:
        flags |= _PRESENT | (_VERIFIED if self.verifies_user else 0)
        host = hashlib.sha256(self.host.encode()).digest()
        return host + bytes([flags]) + self.count.to_bytes(4)

    def _public(self) -> bytes:
        numbers = self.key.public_key().public_numbers()
        x, y = numbers.x.to_bytes(32), numbers.y.to_bytes(32)
        return cbor2.dumps({1: 2, 3: _ES256, -1: 1, -2: x, -3: y})

"""A live connection ends when the key that signed its token is removed (criterion 5.1)."""

import asyncio
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519

from api.auth import AuthSettings
from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import Clinic
from tests.support.screens import ConnectionRefused, Screen
from tests.support.tokens import SECRET, token

OLD, NEW = (ed25519.Ed25519PrivateKey.generate() for _ in range(2))
REFRESH_S = 0.2


def write_keys(path: Path, **keys: ed25519.Ed25519PrivateKey) -> None:
    """A key set as an identity provider publishes it; the file is replaced atomically."""
    shown = [
        {**json.loads(jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key())), "kid": kid}
        for kid, key in keys.items()
    ]
    fresh = path.with_suffix(".new")
    fresh.write_text(json.dumps({"keys": shown}))
    fresh.rename(path)


def signed(key: ed25519.Ed25519PrivateKey, kid: str, role: str, subject: str) -> str:
    claims = jwt.decode(token(role, subject), options={"verify_signature": False})
    return jwt.encode(claims, key, algorithm="EdDSA", headers={"kid": kid})


async def has_ended(screen: Screen) -> None:
    await screen.until(lambda each: each.event == "auth:expired", 2.0)
    async with asyncio.timeout(1):
        await screen.disconnected.wait()


async def test_r5_1_a_removed_key_ends_the_sockets_whose_tokens_it_signed(
    open_clinic: OpenClinic, tmp_path: Path
) -> None:
    keys = tmp_path / "jwks.json"
    write_keys(keys, old=OLD, new=NEW)
    auth = AuthSettings(secret=SECRET, jwks=str(keys), jwks_refresh_s=REFRESH_S)
    async with open_clinic(auth=auth) as clinic:
        with_old_key = await screen_with(clinic, signed(OLD, "old", "patient", "patient-0"))
        with_new_key = await screen_with(clinic, signed(NEW, "new", "patient", "patient-1"))
        with_secret = await clinic.screen(clinic.dentists[0])
        write_keys(keys, new=NEW)
        await has_ended(with_old_key)
        booked = await clinic.book(clinic.patients[1])
        for screen in (with_new_key, with_secret):
            await screen.event("appointment.created", id=booked["id"])
            assert not screen.disconnected.is_set()
        with pytest.raises(ConnectionRefused, match="UNAUTHORIZED"):
            await screen_with(clinic, signed(OLD, "old", "patient", "patient-0"))


async def screen_with(clinic: Clinic, bearer: str) -> Screen:
    auth: Any = {"token": bearer}
    return await clinic.connect("/patient", auth)


async def test_r5_1_keys_that_cannot_be_renewed_end_and_health_reports_it(
    open_clinic: OpenClinic, tmp_path: Path
) -> None:
    keys = tmp_path / "jwks.json"
    write_keys(keys, old=OLD)
    auth = AuthSettings(secret=SECRET, jwks=str(keys), jwks_refresh_s=0.1, jwks_max_age_s=1.0)
    async with open_clinic(auth=auth) as clinic:
        bearer = signed(OLD, "old", "patient", "patient-0")
        screen = await screen_with(clinic, bearer)
        assert (await health(clinic))["tokens"] == {"status": "ok"}
        keys.rename(tmp_path / "elsewhere")
        await screen.until(lambda each: each.event == "auth:expired", 5.0)
        report = await health(clinic)
        assert (report["status"], report["tokens"]) == ("degraded", {"status": "down"})
        assert (await clinic.with_token(bearer).get("/api/profiles/me")).status == 503
        me = await clinic.with_token(clinic.patients[0].token).get("/api/profiles/me")
        assert me.status == 200, "the shared secret still verifies tokens"


async def health(clinic: Clinic) -> Any:
    return (await clinic.with_token(None).get("/health")).body

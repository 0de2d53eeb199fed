"""What a live socket may lose, and that it loses it (DESIGN §6, "Tokens")."""

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
    """A key set as an identity provider publishes it; replaced whole, as files are."""
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


async def ends(screen: Screen) -> None:
    await screen.until(lambda each: each.event == "auth:expired", 2.0)
    async with asyncio.timeout(1):
        await screen.disconnected.wait()


async def test_r5_1_a_key_taken_out_of_the_set_ends_the_sockets_it_signed_for(
    open_clinic: OpenClinic, tmp_path: Path
) -> None:
    keys = tmp_path / "jwks.json"
    write_keys(keys, old=OLD, new=NEW)
    auth = AuthSettings(secret=SECRET, jwks=str(keys), jwks_refresh_s=REFRESH_S)
    async with open_clinic(auth=auth) as clinic:
        of_old = await patients_screen(clinic, signed(OLD, "old", "patient", "patient-0"))
        of_new = await patients_screen(clinic, signed(NEW, "new", "patient", "patient-1"))
        of_secret = await clinic.screen(clinic.dentists[0])
        write_keys(keys, new=NEW)
        await ends(of_old)
        booked = await clinic.book(clinic.patients[1])
        for screen in (of_new, of_secret):
            await screen.event("appointment.created", id=booked["id"])
            assert not screen.disconnected.is_set()
        with pytest.raises(ConnectionRefused, match="UNAUTHORIZED"):
            await patients_screen(clinic, signed(OLD, "old", "patient", "patient-0"))


async def patients_screen(clinic: Clinic, bearer: str) -> Screen:
    auth: Any = {"token": bearer}
    return await clinic.connect("/patient", auth)

"""Rate limits, and the security headers of every response."""

import pytest

from api.settings import ApiSettings
from tests.acceptance.conftest import OpenClinic
from tests.support.clinic import Clinic
from tests.support.screens import ConnectionRefused

STRICT = ApiSettings(rate_per_s=0.5, rate_burst=5)


async def test_a_rate_limit_gives_retry_after_and_spares_other_principals(
    open_clinic: OpenClinic,
) -> None:
    async with open_clinic(api=STRICT) as clinic:
        api = clinic.api(clinic.patients[0])
        answers = [await api.get("/api/profiles/me") for _ in range(7)]
        assert [answer.status for answer in answers] == [200] * 5 + [429] * 2
        assert answers[-1].code == "RATE_LIMITED"
        assert int(answers[-1].headers["Retry-After"]) >= 1
        assert (await clinic.api(clinic.patients[1]).get("/api/profiles/me")).status == 200


async def test_rest_and_socketio_share_one_rate_limit(open_clinic: OpenClinic) -> None:
    async with open_clinic(api=STRICT) as clinic:
        patient = clinic.patients[0]
        screen = await clinic.screen(patient)
        assert (await screen.call("profile:get"))["ok"]
        for _ in range(3):
            await clinic.api(patient).get("/api/profiles/me")
        assert (await screen.refused("profile:get"))["code"] == "RATE_LIMITED"
        assert (await clinic.api(patient).get("/api/profiles/me")).status == 429
        with pytest.raises(ConnectionRefused, match="RATE_LIMITED"):
            await clinic.screen(patient)


async def test_every_response_carries_the_security_headers(clinic: Clinic) -> None:
    api = clinic.api(clinic.patients[0])
    for answer in (
        await api.get("/api/profiles/me"),
        await api.get("/api/no-such-route"),
        await clinic.with_token(None).get("/api/profiles/me"),
        await clinic.with_token(None).get("/health"),
    ):
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert answer.headers["Cache-Control"] == "no-store"
        assert "default-src" in answer.headers["Content-Security-Policy"]


async def test_only_configured_origins_may_read_responses(open_clinic: OpenClinic) -> None:
    async with open_clinic(api=ApiSettings(cors_origins=("https://clinic.example",))) as clinic:
        api = clinic.api(clinic.patients[0])
        for origin, allowed in (
            ("https://clinic.example", "https://clinic.example"),
            ("https://evil.example", None),
        ):
            answer = await api.send("GET", "/api/profiles/me", headers={"Origin": origin})
            assert answer.headers.get("Access-Control-Allow-Origin") == allowed
        headers = {"Origin": "https://clinic.example", "Access-Control-Request-Method": "POST"}
        preflight = await clinic.with_token(None).send(
            "OPTIONS", "/api/appointments", headers=headers
        )
        assert preflight.status == 204
        assert "Authorization" in preflight.headers["Access-Control-Allow-Headers"]

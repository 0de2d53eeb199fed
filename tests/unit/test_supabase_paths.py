"""Supabase's other paths: 404 in the form of their clients, for every method and caller."""

import pytest

from actors.domain.principal import Role
from api.settings import ApiSettings
from api.supabase_paths import HINT, service_of
from tests.unit.api_world import world

ORIGIN = "https://front.example"
PATHS = {
    "/rest/v1/appointments?select=*&status=eq.confirmed": "REST",
    "/rest/v1/rpc/book": "REST",
    "/rest/v1": "REST",
    "/rest/v1/": "REST",
    "/rest/v1/a%0Ab": "REST",
    "/auth/v1/token?grant_type=password": "Auth",
    "/auth/v1/user": "Auth",
    "/storage/v1/object/x/a.txt": "Storage",
    "/functions/v1/book": "Edge Functions",
}
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND")


@pytest.mark.parametrize("path", PATHS)
async def test_every_method_gets_the_form_of_the_client(path: str) -> None:
    async with world() as w:
        for method in METHODS:
            for role in (None, Role.PATIENT):
                answer = await w.send(method, path, role=role, data=b"{broken")
                assert answer.status == 404
                assert answer.headers["Content-Type"].startswith("application/json")
                assert answer.headers["X-Request-ID"]
                assert answer.json == {
                    "code": "NOT_FOUND",
                    "message": f"This hub does not offer Supabase {PATHS[path]}",
                    "details": None,
                    "hint": HINT,
                }
        assert (await w.send("HEAD", path)).status == 404
    assert "/api" in HINT


async def test_other_errors_there_have_the_same_form() -> None:
    async with world() as w:
        headers = {"Content-Encoding": "compress"}
        answer = await w.send("POST", "/rest/v1/appointments", data=b"x", headers=headers)
        assert answer.status == 415
        assert answer.json.keys() == {"code", "message", "details", "hint"}
        assert answer.json["message"]


async def test_the_client_of_auth_reads_the_code_by_a_version() -> None:
    async with world() as w:
        answer = await w.send("GET", "/auth/v1/user")
        assert answer.headers["X-Supabase-Api-Version"] == "2024-01-01"
        assert "X-Supabase-Api-Version" not in (await w.send("GET", "/rest/v1/x")).headers


@pytest.mark.parametrize("path", ["/rest/v1/appointments", "/auth/v1/user"])
async def test_pages_of_allowed_origins_may_read_it(path: str) -> None:
    sent = "apikey,authorization,content-profile,prefer,x-client-info"
    asks = {
        "Origin": ORIGIN,
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": sent,
    }
    async with world(ApiSettings(cors_origins=(ORIGIN,))) as w:
        may = await w.send("OPTIONS", path, role=None, headers=asks)
        assert may.status == 204
        assert "PATCH" in may.headers["Access-Control-Allow-Methods"]
        assert may.headers["Access-Control-Allow-Headers"] == "*, Authorization"
        answer = await w.send("PATCH", path, role=None, headers={"Origin": ORIGIN})
        assert answer.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert answer.headers["Vary"] == "Origin"
        assert "X-Supabase-Api-Version" in answer.headers["Access-Control-Expose-Headers"]
        asks["Origin"] = "https://evil.example"
        may_not = await w.send("OPTIONS", path, role=None, headers=asks)
        assert may_not.status == 404
        assert "Access-Control-Allow-Origin" not in may_not.headers


@pytest.mark.parametrize(
    "path", ["/rest/v2/x", "/rest", "/restx/v1", "/api/rest/v1/x", "/rest/v1x", "/realtime/v1/x"]
)
async def test_other_paths_keep_the_form_of_the_hub(path: str) -> None:
    assert service_of(path) is None
    async with world() as w:
        answer = await w.send("GET", path)
        assert answer.json["error"]["code"] == "NOT_FOUND"

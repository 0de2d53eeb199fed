"""The middleware around every request: tokens, limits, headers, CORS and the log."""

from datetime import timedelta

import pytest

from actors.domain.principal import Role
from actors.domain.refusals import Forbidden, NotFound
from api.settings import ApiSettings
from tests.support.logs import captured_logs
from tests.unit.api_world import PATIENT, PROFILE, world

ORIGIN = "https://clinic.example"


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/api/profiles/me"),
        ("GET", "/api/nowhere"),
        ("GET", "/api"),
        ("GET", "/api/"),
        ("PATCH", "/api/appointments"),
        ("OPTIONS", "/api/appointments"),
        ("GET", "/%61pi/profiles/me"),
        ("GET", "/api/appointments?limit=none"),
    ],
)
async def test_every_path_under_api_needs_a_token(method: str, path: str) -> None:
    async with world() as w:
        answer = await w.send(method, path, role=None)
        assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
        assert answer.json["error"]["message"] == "Invalid token"
        assert answer.headers["WWW-Authenticate"] == "Bearer"


async def test_the_token_is_verified_before_the_body_is_read() -> None:
    async with world(ApiSettings(max_body_bytes=1024)) as w:
        for body in (b"{", b"x" * 10_000):
            answer = await w.send("POST", "/api/appointments", role=None, data=body)
            assert answer.status == 401


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic abc", "Bearer a.b.c", "abc"])
async def test_a_malformed_authorization_header_is_an_invalid_token(header: str) -> None:
    async with world() as w:
        answer = await w.send("GET", "/api/profiles/me", headers={"Authorization": header})
        assert (answer.status, answer.json["error"]["message"]) == (401, "Invalid token")


async def test_only_the_log_contains_why_a_token_is_invalid() -> None:
    with captured_logs() as logs:
        async with world() as w:
            old = w.token(ttl=timedelta(minutes=-1))
            answer = await w.send(
                "GET", "/api/profiles/me", headers={"Authorization": f"Bearer {old}"}
            )
    assert answer.status == 401
    assert b"expired" not in answer.text
    (line,) = logs.lines("api_request")
    assert line["why"] == "expired"
    assert old not in logs.getvalue()


async def test_unknown_paths_and_methods_have_the_error_form() -> None:
    async with world() as w:
        unknown = await w.send("GET", "/api/nowhere")
        assert (unknown.status, unknown.code) == (404, "NOT_FOUND")
        outside = await w.send("GET", "/nowhere", role=None)
        assert (outside.status, outside.code) == (404, "NOT_FOUND")
        wrong = await w.send("PATCH", "/api/appointments")
        assert (wrong.status, wrong.code) == (405, "METHOD_NOT_ALLOWED")
        assert wrong.headers["Allow"] == "GET, HEAD, POST"


async def test_every_request_is_logged_with_method_path_status_and_duration() -> None:
    with captured_logs() as logs:
        async with world() as w:
            w.people.results |= {"me": PROFILE, "patients": Forbidden()}
            await w.send("GET", "/api/profiles/me", headers={"X-Request-ID": "req-7"})
            await w.send("GET", "/api/patients?q=secret%20name")
    first, second = logs.lines("api_request")
    del first["time"]
    assert first == {
        "event": "api_request",
        "level": "info",
        "logger": "api.request_log",
        "method": "GET",
        "path": "/api/profiles/me",
        "status": 200,
        "duration_ms": 0.0,
        "request_id": "req-7",
    }
    assert second["path"] == "/api/patients"
    assert "secret" not in str((first, second))


async def test_metrics_contain_the_route_pattern_and_no_ids() -> None:
    async with world() as w:
        w.people.results["view"] = NotFound("profile")
        await w.send("GET", f"/api/profiles/{PATIENT}")
        await w.send("PROPFIND", "/api/whatever")
        assert [request[:3] for request in w.requests] == [
            ("GET", "/api/profiles/{id}", 404),
            ("unknown", "unknown", 404),
        ]


@pytest.mark.parametrize("odd", ["", "a b", "x" * 65, "naïve"])
async def test_a_malformed_request_id_is_replaced(odd: str) -> None:
    async with world() as w:
        answer = await w.send("GET", "/health", role=None, headers={"X-Request-ID": odd})
        assert answer.headers["X-Request-ID"].startswith("id-")


async def test_a_rate_limited_principal_gets_retry_after() -> None:
    async with world(rate_per_s=0.5, burst=2) as w:
        w.people.results["me"] = PROFILE
        statuses = [(await w.send("GET", "/api/profiles/me")).status for _ in range(2)]
        assert statuses == [200, 200]
        refused = await w.send("GET", "/api/profiles/me")
        assert (refused.status, refused.code) == (429, "RATE_LIMITED")
        assert refused.headers["Retry-After"] == "2"
        other = await w.send("GET", "/api/profiles/me", role=Role.DENTIST)
        assert other.status == 200
        w.clock.advance(timedelta(seconds=2))
        assert (await w.send("GET", "/api/profiles/me")).status == 200


async def test_a_body_beyond_the_limit_is_refused() -> None:
    async with world(ApiSettings(max_body_bytes=1024)) as w:
        answer = await w.send("POST", "/api/appointments", data=b'{"notes":"' + b"x" * 2048)
        assert (answer.status, answer.code) == (413, "PAYLOAD_TOO_LARGE")


async def test_every_response_carries_the_security_headers() -> None:
    async with world() as w:
        w.people.results["me"] = PROFILE
        for path in ("/api/profiles/me", "/api/nowhere", "/docs", "/health"):
            headers = (await w.send("GET", path)).headers
            assert headers["X-Content-Type-Options"] == "nosniff"
            assert headers["Cross-Origin-Opener-Policy"] == "same-origin"
            assert headers["X-Frame-Options"] == "DENY"
            assert headers["Referrer-Policy"] == "no-referrer"
            assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert (await w.send("GET", "/api/profiles/me")).headers["Cache-Control"] == "no-store"


async def test_without_configured_origins_no_origin_may_read_responses() -> None:
    async with world() as w:
        answer = await w.send("GET", "/api/nowhere", headers={"Origin": ORIGIN})
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_a_configured_origin_may_read_responses_and_errors() -> None:
    async with world(ApiSettings(cors_origins=(ORIGIN,))) as w:
        preflight = {"Origin": ORIGIN, "Access-Control-Request-Method": "PUT"}
        may = await w.send("OPTIONS", "/api/appointments/x", role=None, headers=preflight)
        assert may.status == 204
        assert may.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert "PUT" in may.headers["Access-Control-Allow-Methods"]
        assert "If-Match" in may.headers["Access-Control-Allow-Headers"]
        refused = await w.send("GET", "/api/profiles/me", role=None, headers={"Origin": ORIGIN})
        assert refused.status == 401
        assert refused.headers["Access-Control-Allow-Origin"] == ORIGIN
        assert refused.headers["Vary"] == "Origin"


async def test_another_origin_may_not_read_responses() -> None:
    async with world(ApiSettings(cors_origins=(ORIGIN,))) as w:
        preflight = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"}
        answer = await w.send("OPTIONS", "/api/appointments/x", role=None, headers=preflight)
        assert answer.status == 401
        assert "Access-Control-Allow-Origin" not in answer.headers


async def test_all_origins_may_be_allowed() -> None:
    async with world(ApiSettings(cors_origins=("*",))) as w:
        answer = await w.send("GET", "/api/nowhere", headers={"Origin": ORIGIN})
        assert answer.headers["Access-Control-Allow-Origin"] == "*"


async def test_a_chatbot_acts_for_the_patient_it_names() -> None:
    async with world() as w:
        w.people.results["me"] = PROFILE
        answer = await w.send(
            "GET", "/api/profiles/me", role=Role.CHATBOT, headers={"On-Behalf-Of": PATIENT}
        )
        assert answer.status == 200
        caller = w.people.calls[0][1][0]
        assert (caller.principal.person, caller.principal.acting) == (PATIENT, "sub-1")


async def test_a_malformed_patient_id_is_not_found() -> None:
    async with world() as w:
        answer = await w.send(
            "GET", "/api/profiles/me", role=Role.CHATBOT, headers={"On-Behalf-Of": "42"}
        )
        assert (answer.status, answer.code) == (404, "NOT_FOUND")


async def test_health_is_short_in_public_and_detailed_for_admins() -> None:
    async with world() as w:
        assert "figures" not in (await w.send("GET", "/health", role=None)).json
        assert "figures" not in (await w.send("GET", "/health", role=Role.PATIENT)).json
        assert "figures" in (await w.send("GET", "/health", role=Role.ADMIN)).json
        w.health.status, w.health.is_ready = "down", False
        assert (await w.send("GET", "/health", role=None)).status == 503
        assert (await w.send("GET", "/health/ready", role=None)).status == 503
        assert (await w.send("GET", "/health/live", role=None)).status == 200


@pytest.mark.parametrize(
    ("shown_to", "role", "status"),
    [
        ("public", None, 200),
        ("admin", None, 401),
        ("admin", Role.PATIENT, 403),
        ("admin", Role.ADMIN, 200),
        ("off", Role.ADMIN, 404),
    ],
)
async def test_metrics_are_shown_as_configured(
    shown_to: str, role: Role | None, status: int
) -> None:
    async with world(ApiSettings(metrics=shown_to)) as w:  # type: ignore[arg-type]  # parametrised
        assert (await w.send("GET", "/metrics", role=role)).status == status


@pytest.mark.parametrize(
    ("path", "content_type"),
    [
        ("/docs", "text/html"),
        ("/pages/docs.js", "text/javascript"),
        ("/docs/swagger-ui.css", "text/css"),
        ("/docs/swagger-ui-bundle.js", "text/javascript"),
        ("/api/openapi.json", "application/json"),
    ],
)
async def test_pages_need_no_token_and_allow_no_foreign_script(
    path: str, content_type: str
) -> None:
    async with world() as w:
        answer = await w.send("GET", path, role=None)
        assert answer.status == 200
        assert answer.headers["Content-Type"].startswith(content_type)
        assert "unsafe" not in answer.headers["Content-Security-Policy"].partition("style-src")[0]
        if content_type == "text/html":
            assert b"<script>" not in answer.text
            assert b"//" not in answer.text.replace(b"<!--", b"")


@pytest.mark.parametrize(
    "path", ["/pages/nothing.js", "/pages/..%2fapp.py", "/docs/__init__.py", "/pages/%00"]
)
async def test_no_other_files_than_those_of_the_pages_are_served(path: str) -> None:
    async with world() as w:
        assert (await w.send("GET", path, role=None)).status in (400, 404)

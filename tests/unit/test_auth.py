"""Valid tokens yield claims; every other token is invalid (criteria 5.1, 5.2)."""

import base64
import hashlib
import hmac
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import orjson
import pytest

from actors.domain.principal import Role
from actors.domain.refusals import InvalidToken
from api import auth
from api.auth import AuthSettings, TokenVerifier, bearer, issue_token
from tests.support.clock import FakeClock

SECRET = "a-secret-of-the-tests-with-32-bytes-or-more"
HOUR = timedelta(hours=1)


def verifier(clock: FakeClock | None = None, **settings: Any) -> TokenVerifier:
    return TokenVerifier(AuthSettings(secret=SECRET, **settings), clock or FakeClock())


def signed(
    changes: Mapping[str, Any] | None = None, /, *, secret: str = SECRET, **more: Any
) -> str:
    """A valid token with changed claims (``None`` removes a claim)."""
    end = (FakeClock().now() + HOUR).timestamp()
    claims = {"sub": "s-1", "role": "patient", "exp": int(end), **(changes or {}), **more}
    claims = {key: value for key, value in claims.items() if value is not None}
    return jwt.encode(claims, secret, algorithm="HS256")


def raw(payload: str, header: str = '{"alg":"HS256"}') -> str:
    """A signed token of these texts, which a library may refuse to write."""

    def part(data: bytes) -> str:
        return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

    signing = f"{part(header.encode())}.{part(payload.encode())}"
    return f"{signing}.{part(hmac.digest(SECRET.encode(), signing.encode(), hashlib.sha256))}"


async def why(token: str, checker: TokenVerifier | None = None) -> str:
    with pytest.raises(InvalidToken) as caught:
        await (checker or verifier()).verify(token)
    assert str(caught.value) == "Invalid token"
    return caught.value.reason


async def test_a_valid_token_yields_its_claims() -> None:
    token = signed(name=" Pat Ient ", email="pat@example.com", email_verified=True, phone="+43 1")
    claims = await verifier().verify(token)
    assert (claims.subject, claims.role, claims.actor) == ("s-1", Role.PATIENT, None)
    assert (claims.name, claims.email, claims.phone) == ("Pat Ient", "pat@example.com", "+43 1")
    assert claims.email_verified
    assert claims.expires_at == FakeClock().now() + HOUR


@pytest.mark.parametrize("role", ["patient", "dentist", "chatbot", "admin"])
async def test_the_four_roles_are_accepted(role: str) -> None:
    assert (await verifier().verify(signed(role=role))).role == role


@pytest.mark.parametrize("role", ["system", "root", "", "Patient", 1, ["patient"], None])
async def test_a_token_with_an_unknown_role_is_invalid(role: object) -> None:
    assert await why(signed(role=role)) == "role"


async def test_no_other_issuer_names_a_subject_of_the_hub() -> None:
    """Rights that name a subject, such as consents, mean one party."""
    assert await why(signed(sub="chairside:1")) == "sub"
    assert await why(signed(role="patient", act={"sub": "chairside:1"})) == "act"


async def test_a_forged_signature_is_invalid() -> None:
    assert await why(signed(secret="another-secret-that-is-also-32-bytes-long"))


async def test_an_altered_payload_is_invalid() -> None:
    header, _, signature = signed().split(".")
    _, payload, _ = signed(role="admin").split(".")
    assert await why(f"{header}.{payload}.{signature}")


@pytest.mark.parametrize("alg", ["none", "None", "NONE", "", None])
async def test_alg_none_is_never_accepted(alg: str | None) -> None:
    header = base64.urlsafe_b64encode(orjson.dumps({"alg": alg, "typ": "JWT"})).rstrip(b"=")
    payload = signed().split(".")[1]
    assert await why(f"{header.decode()}.{payload}.")


async def test_an_algorithm_that_is_not_allowed_is_invalid() -> None:
    token = jwt.encode({"sub": "s-1", "role": "patient"}, SECRET * 2, algorithm="HS512")
    assert "HS512" in await why(token)


@pytest.mark.parametrize(
    "token", ["", "x", "a.b.c", "..", "é.é.é", "x" * 9_000, signed() + ".x", "{}.{}.{}"]
)
async def test_malformed_text_is_an_invalid_token(token: str) -> None:
    assert await why(token)


@pytest.mark.parametrize("claim", ["exp", "sub"])
async def test_expiry_and_subject_are_required(claim: str) -> None:
    assert await why(signed({claim: None}))


@pytest.mark.parametrize("sub", ["", "x" * 256, 42, True, ["s"], "a\0b", "a\ud800"])
async def test_a_subject_must_be_bounded_text(sub: object) -> None:
    assert await why(signed(sub=sub))


@pytest.mark.parametrize("exp", ["soon", True, 1e300, -1e300, [1], {"a": 1}])
async def test_an_expiry_must_be_a_date(exp: object) -> None:
    assert await why(signed(exp=exp))


_ODD_NUMBERS = (
    *("1e300", "1e400", "-1e400", "NaN", "Infinity", "-Infinity", "253402300800", "1e15"),
    *("9" * 400, "9" * 5_000, "-" + "9" * 400, "true", '"4000000000"', "[4000000000]", "{}", "1_0"),
)


@pytest.mark.parametrize("leeway_s", [0, 300])
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
@pytest.mark.parametrize("number", _ODD_NUMBERS, ids=lambda number: number[:12])
async def test_a_date_of_any_size_or_type_is_refused(
    number: str, claim: str, leeway_s: float
) -> None:
    end = "" if claim == "exp" else '"exp": 4000000000, '
    token = raw(f'{{"sub": "s-1", "role": "patient", {end}"{claim}": {number}}}')
    assert await why(token, verifier(leeway_s=leeway_s))


@pytest.mark.parametrize("exp", [253_402_300_799, 253_402_300_799.9])
async def test_the_last_moment_of_the_calendar_is_an_expiry(exp: float) -> None:
    checker, token = verifier(leeway_s=300), signed(exp=exp)
    assert (await checker.verify(token)).expires_at.year == 9999
    assert (await checker.verify(token)).expires_at.year == 9999, "from the cache too"


@pytest.mark.parametrize("past", ["-62135596800", "-0.0", "-5"])
async def test_dates_before_all_others_are_dates(past: str) -> None:
    assert await why(raw(f'{{"sub":"s-1","role":"patient","exp":{past}}}')) == "expired"
    begun = raw(f'{{"sub":"s-1","role":"patient","exp":4000000000,"nbf":{past},"iat":{past}}}')
    assert (await verifier(leeway_s=300).verify(begun)).subject == "s-1"


async def test_a_token_may_be_issued_by_a_clock_that_is_ahead() -> None:
    assert (await verifier().verify(signed(iat=3_900_000_000))).subject == "s-1"


@pytest.mark.parametrize(
    "header",
    [
        '{"alg":["HS256"]}',
        '{"alg":{"a":1}}',
        '{"alg":"HS256","crit":["exp"],"exp":1}',
        '{"alg":"HS256","crit":[]}',
        '{"alg":"HS256","crit":["b64"],"b64":false}',
        '{"alg":"HS256","b64":false}',
        '{"alg":"HS256","kid":["a"]}',
        '{"alg":"HS256","kid":{"$ne":1}}',
        '{"alg":"HS256","alg":"none"}',
        '{"alg":"HS256","x":' + "[" * 2_500 + "]" * 2_500 + "}",
        '{"alg":"HS256","x":' + "9" * 4_500 + "}",
        "[]",
        "null",
    ],
    ids=lambda header: header[:30],
)
async def test_a_hostile_header_is_an_invalid_token(header: str) -> None:
    assert await why(raw('{"sub":"s-1","role":"patient","exp":4000000000}', header))


async def test_of_repeated_claims_the_last_one_counts() -> None:
    """RFC 7519 §4: a parser refuses them, or returns the last one."""
    twice = raw('{"sub":"s-1","role":"admin","role":"patient","exp":1,"exp":4000000000}')
    assert (await verifier().verify(twice)).role is Role.PATIENT


async def test_claims_of_any_depth_are_an_invalid_token() -> None:
    deep = '{"sub":"s-1","role":"patient","exp":4000000000,"x":' + "[" * 2_500 + "]" * 2_500 + "}"
    assert await why(raw(deep))


async def test_a_token_is_invalid_from_the_second_of_its_expiry() -> None:
    clock = FakeClock()
    checker, token = verifier(clock), signed()
    clock.advance(HOUR - timedelta(seconds=1))
    await checker.verify(token)
    clock.advance(timedelta(seconds=1))
    assert await why(token, checker) == "expired"


async def test_a_cached_token_expires_too() -> None:
    clock = FakeClock()
    checker, token = verifier(clock), signed()
    assert await checker.verify(token) is await checker.verify(token)
    clock.advance(HOUR)
    assert await why(token, checker) == "expired"


async def test_leeway_is_allowed_when_configured() -> None:
    clock = FakeClock()
    checker, token = verifier(clock, leeway_s=30), signed()
    clock.advance(HOUR + timedelta(seconds=29))
    await checker.verify(token)
    clock.advance(timedelta(seconds=1))
    assert await why(token, checker) == "expired"


async def test_a_token_is_invalid_before_its_nbf() -> None:
    clock = FakeClock()
    later = signed(nbf=int(clock.now().timestamp()) + 60)
    assert await why(later, verifier(clock)) == "not yet valid"


async def test_audience_and_issuer_are_checked_when_configured() -> None:
    checker = verifier(audience="chairside", issuer="https://id.example")
    good = {"aud": "chairside", "iss": "https://id.example"}
    await checker.verify(signed(good))
    await checker.verify(signed({**good, "aud": ["other", "chairside"]}))
    for bad in ({"aud": "other"}, {"aud": None}, {"iss": "https://evil.example"}, {"iss": None}):
        assert await why(signed({**good, **bad}), checker)


async def test_without_a_configured_audience_any_audience_is_accepted() -> None:
    await verifier().verify(signed(aud="authenticated"))


async def test_the_role_is_read_at_the_configured_path() -> None:
    checker = verifier(role_claim="app_metadata.role")
    metadata = {"role": "dentist"}
    claims = await checker.verify(signed(role="authenticated", app_metadata=metadata))
    assert claims.role is Role.DENTIST
    assert await why(signed(role="admin", user_metadata={"role": "admin"}), checker) == "role"
    assert await why(signed(app_metadata="dentist"), checker) == "role"


_URL = "https://clinic.example/role"


@pytest.mark.parametrize(
    ("path", "claims"),
    [
        (_URL, {_URL: "dentist"}),
        (
            "https://clinic.example/claims.role",
            {"https://clinic.example/claims": {"role": "dentist"}},
        ),
        ("https://a.b/c.d.role", {"https://a.b/c.d": {"role": "dentist"}}),
        ("https://a.b/c.d.role", {"https://a.b/c": {"d": {"role": "dentist"}}}),
        ("a.b.c", {"a": {"x": 1}, "a.b": {"c": "dentist"}}),
        ("app_metadata.role", {"app_metadata": {"role": "dentist"}}),
        ("app_metadata.role", {"app_metadata.role": "dentist", "app_metadata": {"role": "admin"}}),
    ],
)
async def test_the_name_of_the_roles_claim_may_contain_dots(
    path: str, claims: dict[str, Any]
) -> None:
    checker = verifier(role_claim=path)
    assert (await checker.verify(signed(claims, role="admin"))).role is Role.DENTIST


@pytest.mark.parametrize(
    "claims", [{}, {"https://clinic": {"example/role": 1}}, {_URL: None}, {"https://clinic": "x"}]
)
async def test_without_the_named_claim_there_is_no_role(claims: dict[str, Any]) -> None:
    checker = verifier(role_claim=_URL)
    assert await why(signed(claims, role="admin"), checker) == "role"


def test_an_issued_token_has_a_claim_of_the_configured_name() -> None:
    token = issue_token(
        SECRET,
        subject="s-1",
        role=Role.DENTIST,
        now=FakeClock().now(),
        ttl=HOUR,
        role_claim=_URL,
    )
    assert jwt.decode(token, options={"verify_signature": False})[_URL] == "dentist"


async def test_a_chatbot_may_use_the_patients_own_token() -> None:
    claims = await verifier().verify(signed(act={"sub": "bot-1"}))
    assert (claims.role, claims.actor) == (Role.PATIENT, "bot-1")


@pytest.mark.parametrize("act", ["bot", {}, {"sub": ""}, {"sub": 1}, [], {"sub": "x" * 256}])
async def test_a_malformed_delegation_is_invalid(act: object) -> None:
    assert await why(signed(act=act)) == "act"


@pytest.mark.parametrize("role", ["dentist", "admin", "chatbot"])
async def test_only_tokens_of_patients_may_have_an_act_claim(role: str) -> None:
    assert await why(signed(role=role, act={"sub": "bot-1"}))


async def test_claims_for_a_profile_are_bounded_and_visible() -> None:
    odd = signed(name="x" * 201, email=["a@b.c"], phone="1\n2", email_verified=True)
    claims = await verifier().verify(odd)
    assert (claims.name, claims.email, claims.phone) == (None, None, None)
    assert not claims.email_verified


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Ada\rLovelace", "AdaLovelace"),
        ("\u202eecila", "ecila"),
        ("\u200b\u2066Ada\u2069", "Ada"),
        ("\u3164\u2800", None),
        ("\u202e\u200f", None),
        ("\ud800", None),
        ("می‌خواهم", "می‌خواهم"),
        ("山田　太郎", "山田　太郎"),
    ],
)
async def test_the_name_of_a_token_loses_what_cannot_be_seen(name: str, shown: str | None) -> None:
    assert (await verifier().verify(signed(name=name))).name == shown
    owner = {"full_name": "\u200b", "name": name}
    assert (await verifier().verify(signed(user_metadata=owner))).name == shown


@pytest.mark.parametrize(
    ("email", "kept"),
    [
        ("Pat@Example.org", "Pat@Example.org"),
        ("pat@straße.example", "pat@xn--strae-oqa.example"),
        ("pat\r\n@example.org", None),
        ("pat@example.org\rBcc: x", None),
        ("pát@example.org", None),
        ("pat", None),
    ],
)
async def test_the_email_of_a_token_is_an_address(email: str, kept: str | None) -> None:
    claims = await verifier().verify(signed(email=email, email_verified=True))
    assert (claims.email, claims.email_verified) == (kept, kept is not None)


async def test_a_verified_email_needs_the_issuers_claim() -> None:
    owner = {"email_verified": True, "full_name": "Pat Ient"}
    claims = await verifier().verify(signed(email="a@example.com", user_metadata=owner))
    assert (claims.email_verified, claims.name) == (False, "Pat Ient")
    text = await verifier().verify(signed(email="a@example.com", email_verified="true"))
    assert not text.email_verified


async def test_the_cache_of_verified_tokens_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(auth, "CACHE_MAX", 2)
    checker = verifier()
    first = await checker.verify(signed(sub="s-1"))
    for subject in ("s-2", "s-3"):
        await checker.verify(signed(sub=subject))
    assert await checker.verify(signed(sub="s-1")) is not first


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({}, "a secret or a JWKS"),
        ({"secret": "x" * 31}, "32 bytes"),
        ({"secret": SECRET, "algorithms": ("none",)}, "no key for none"),
        ({"secret": SECRET, "algorithms": ("RS256",)}, "no key for RS256"),
        ({"jwks": "keys.json", "algorithms": ("HS256",)}, "no key for HS256"),
        ({"jwks": "keys.json", "jwks_max_age_s": 299.0}, "jwks_max_age_s"),
        ({"jwks": "http://id.example/jwks"}, "https"),
        ({"jwks": "HTTP://id.example/jwks"}, "https"),
        ({"jwks": "http://127.0.0.1.example/jwks"}, "https"),
        ({"jwks": "http://localhost.example/jwks"}, "https"),
        ({"jwks": "http://user@id.example/jwks"}, "https"),
        ({"jwks": "http://127.0.0.1@id.example/jwks"}, "https"),
        ({"jwks": "http://0.0.0.0/jwks"}, "https"),
        ({"jwks": "http://10.0.0.7/jwks"}, "https"),
        ({"jwks": "http:///jwks"}, "https"),
        ({"jwks": "https:///jwks"}, "https"),
        ({"jwks": "ftp://id.example/jwks"}, "https"),
    ],
)
def test_invalid_settings_are_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        TokenVerifier(AuthSettings(**settings), FakeClock())


@pytest.mark.parametrize(
    "jwks",
    ["https://id.example/jwks", "http://localhost:1/k", "http://127.0.0.9/k", "http://[::1]:1/k"],
)
def test_keys_come_over_tls_or_from_this_machine(jwks: str) -> None:
    assert AuthSettings(jwks=jwks).has_keys


def test_the_repr_of_the_settings_does_not_contain_the_secret() -> None:
    assert SECRET not in repr(AuthSettings(secret=SECRET))


async def test_an_issued_token_is_valid() -> None:
    clock = FakeClock()
    token = issue_token(
        SECRET,
        subject="s-9",
        role=Role.PATIENT,
        now=clock.now(),
        ttl=HOUR,
        audience="a",
        issuer="i",
        role_claim="app_metadata.role",
        actor="bot",
        name="Pat",
    )
    checker = verifier(clock, audience="a", issuer="i", role_claim="app_metadata.role")
    claims = await checker.verify(token)
    assert (claims.subject, claims.role, claims.actor, claims.name) == (
        "s-9",
        Role.PATIENT,
        "bot",
        "Pat",
    )
    assert claims.expires_at == datetime(2027, 2, 26, 13, tzinfo=UTC)


def test_the_bearer_scheme_is_case_insensitive() -> None:
    assert bearer("bearer abc") == "abc"
    for header in (None, "", "Bearer", "Basic abc", "abc"):
        with pytest.raises(InvalidToken):
            bearer(header)

"""Public keys from a file or a server: rotation, failures, and forged tokens."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

from actors.domain.refusals import InvalidToken, Unavailable
from api.auth import AuthSettings, TokenVerifier
from api.keys import parse_keys
from tests.support.clock import FakeClock
from tests.support.logs import captured_logs
from tests.unit.relay_world import until

HOUR = timedelta(hours=1)
RSA = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
RSA_NEXT = rsa.generate_private_key(public_exponent=65_537, key_size=2_048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()


def public(key: Any, kid: str | None, **changes: str) -> dict[str, Any]:
    if isinstance(key, rsa.RSAPrivateKey):
        text = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key())
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        text = jwt.algorithms.ECAlgorithm.to_jwk(key.public_key())
    else:
        text = jwt.algorithms.OKPAlgorithm.to_jwk(key.public_key())
    return {**json.loads(text), **({"kid": kid} if kid else {}), **changes}


def signed(key: Any, algorithm: str, kid: str | None = None, **claims: Any) -> str:
    end = int((FakeClock().now() + HOUR).timestamp())
    payload = {"sub": "s-1", "role": "patient", "exp": end, **claims}
    return jwt.encode(payload, key, algorithm=algorithm, headers={"kid": kid} if kid else None)


class Issuer:
    """A local HTTP server with the key set of an identity provider."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys, self.reads, self.status = list(keys), 0, 200
        self.body: bytes | None = None
        self.url = ""

    async def answer(self, request: web.Request) -> web.Response:
        self.reads += 1
        if self.status >= 300:
            return web.Response(status=self.status, headers={"Location": "/elsewhere"})
        if self.body is not None:
            return web.Response(body=self.body)
        return web.json_response({"keys": self.keys})


@asynccontextmanager
async def serving(*keys: dict[str, Any]) -> AsyncIterator[Issuer]:
    issuer = Issuer(*keys)
    app = web.Application()
    app.router.add_get("/jwks.json", issuer.answer)
    async with TestServer(app) as server:
        issuer.url = str(server.make_url("/jwks.json"))
        yield issuer


@asynccontextmanager
async def verifying(
    source: str, clock: FakeClock | None = None, **settings: Any
) -> AsyncIterator[TokenVerifier]:
    checker = TokenVerifier(AuthSettings(jwks=source, **settings), clock or FakeClock())
    try:
        yield checker
    finally:
        await checker.close()


async def accepts(checker: TokenVerifier, token: str) -> bool:
    try:
        await checker.verify(token)
    except InvalidToken:
        return False
    return True


@pytest.mark.parametrize(
    ("key", "algorithm"), [(RSA, "RS256"), (EC, "ES256"), (ED, "EdDSA")], ids=["RSA", "EC", "Ed"]
)
async def test_each_kind_of_key_is_accepted_with_its_algorithm(key: Any, algorithm: str) -> None:
    async with serving(public(key, "k1")) as issuer, verifying(issuer.url) as checker:
        assert (await checker.verify(signed(key, algorithm, "k1"))).subject == "s-1"


async def test_keys_may_be_in_a_file(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [public(RSA, None)]}))
    async with verifying(str(path)) as checker:
        assert (await checker.verify(signed(RSA, "RS256"))).subject == "s-1"


async def test_the_set_is_fetched_once_for_many_tokens() -> None:
    async with serving(public(RSA, "k1")) as issuer, verifying(issuer.url) as checker:
        tokens = [signed(RSA, "RS256", "k1", n=n) for n in range(10)]
        await asyncio.gather(*(checker.verify(token) for token in tokens))
        assert issuer.reads == 1


async def test_a_public_key_is_never_used_as_a_secret() -> None:
    pem = RSA.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    hmac = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signing = signed("x" * 32, "HS256", "k1").rpartition(".")[0]
    forged = signing + "." + jwt.utils.base64url_encode(hmac.sign(signing.encode(), pem)).decode()
    async with serving(public(RSA, "k1")) as issuer:
        for secret in ("", "another-secret-that-is-also-32-bytes-long"):
            async with verifying(issuer.url, secret=secret) as checker:
                with pytest.raises(InvalidToken):
                    await checker.verify(forged)


async def test_a_key_is_accepted_for_its_own_algorithm_only() -> None:
    keys = public(RSA, "k1"), public(EC, "k2")
    async with serving(*keys) as issuer, verifying(issuer.url) as checker:
        with pytest.raises(InvalidToken):
            await checker.verify(signed(EC, "ES256", "k1"))


@pytest.mark.parametrize(
    "key",
    [
        {"kty": "oct", "kid": "k1", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlYw"},
        {"kty": "oct", "kid": "k1", "alg": "RS256", "k": "c2VjcmV0"},
        public(RSA, "k1", use="enc"),
        public(RSA, "k1", alg="RS512"),
        {"kty": "RSA", "kid": "k1"},
        {"kid": "k1"},
    ],
)
async def test_keys_of_other_kinds_are_not_used(key: dict[str, Any]) -> None:
    async with serving(key) as issuer, verifying(issuer.url) as checker:
        with pytest.raises(InvalidToken):
            await checker.verify(signed(RSA, "RS256", "k1"))


_WEAK = rsa.generate_private_key(public_exponent=65_537, key_size=1_024)  # noqa: S505  # to be refused
_P384 = ec.generate_private_key(ec.SECP384R1())
_ED448 = ed448.Ed448PrivateKey.generate()


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(_WEAK, "RS256"), (_P384, "ES256"), (_ED448, "EdDSA")],
    ids=["RSA of 1,024 bits", "P-384", "Ed448"],
)
@pytest.mark.filterwarnings("ignore::jwt.warnings.InsecureKeyLengthWarning")
async def test_weak_keys_and_other_curves_are_refused(key: Any, algorithm: str) -> None:
    weak = public(key, "weak", alg=algorithm)
    async with serving(weak, public(ED, "good")) as issuer, verifying(issuer.url) as checker:
        assert await accepts(checker, signed(ED, "EdDSA", "good"))
        token = signed_by_force(key, algorithm, "weak")
        assert not await accepts(checker, token)


def signed_by_force(key: Any, algorithm: str, kid: str) -> str:
    """A token whose key is not of the algorithm's curve, which PyJWT would not sign."""
    head = {"alg": algorithm, "kid": kid, "typ": "JWT"}
    payload = jwt.decode(signed("x" * 32, "HS256"), options={"verify_signature": False})
    parts = [jwt.utils.base64url_encode(json.dumps(part).encode()) for part in (head, payload)]
    signing = b".".join(parts)
    if isinstance(key, rsa.RSAPrivateKey):
        signature = key.sign(signing, padding.PKCS1v15(), hashes.SHA256())
    elif isinstance(key, ec.EllipticCurvePrivateKey):
        signature = jwt.utils.der_to_raw_signature(
            key.sign(signing, ec.ECDSA(hashes.SHA256())), key.curve
        )
    else:
        signature = key.sign(signing)
    return b".".join((signing, jwt.utils.base64url_encode(signature))).decode()


_ODD_KEYS: list[Any] = [
    public(RSA_NEXT, "odd") | {"alg": ["RS256"]},
    public(RSA_NEXT, "odd") | {"alg": {"a": 1}},
    public(RSA_NEXT, "odd") | {"alg": 256},
    public(RSA_NEXT, "odd") | {"kty": ["RSA"]},
    public(RSA_NEXT, "odd") | {"kty": {"a": 1}},
    public(RSA_NEXT, "odd") | {"use": ["sig"]},
    public(RSA_NEXT, "odd") | {"key_ops": 7},
    public(RSA_NEXT, "odd") | {"key_ops": ["encrypt"]},
    public(RSA_NEXT, "odd") | {"kid": {"a": 1}},
    public(RSA_NEXT, "odd") | {"n": 5},
    public(RSA_NEXT, "odd") | {"n": "é"},
    public(RSA_NEXT, "odd") | {"n": ""},
    public(RSA_NEXT, "odd") | {"e": "AQ"},
    public(RSA_NEXT, "odd") | {"e": None},
    public(EC, "odd") | {"crv": ["P-256"]},
    public(EC, "odd") | {"x": "AAAA"},
    public(ED, "odd") | {"crv": 1},
    public(ED, "odd") | {"x": [1]},
    {"kty": "OKP", "crv": "Ed25519", "kid": "odd"},
    {"kty": "AKP", "alg": "ML-DSA-44", "kid": "odd", "pub": "AAAA"},
    None,
    [],
    "key",
    42,
]


@pytest.mark.parametrize("odd", _ODD_KEYS, ids=range(len(_ODD_KEYS)))
async def test_an_odd_key_disables_only_itself(odd: Any) -> None:
    async with serving(odd, public(RSA, "k1"), odd) as issuer, verifying(issuer.url) as checker:
        assert await accepts(checker, signed(RSA, "RS256", "k1"))
        assert not await accepts(checker, signed(RSA_NEXT, "RS256", "odd"))


async def test_keys_with_the_same_kid_do_not_disable_each_other() -> None:
    keys = public(RSA_NEXT, "k1"), public(RSA, "k1"), public(RSA, "k1"), public(EC, "k2")
    async with serving(*keys) as issuer, verifying(issuer.url) as checker:
        for key in (RSA, RSA_NEXT):
            claims = await checker.verify(signed(key, "RS256", "k1"))
            assert checker.trusts(claims)
        assert not await accepts(checker, signed(EC, "ES256", "k1"))


async def test_a_key_that_is_listed_twice_is_one_key() -> None:
    key = public(RSA, None)
    async with serving(key, key) as issuer, verifying(issuer.url) as checker:
        assert await accepts(checker, signed(RSA, "RS256"))


async def test_the_log_contains_no_part_of_an_unusable_key() -> None:
    private = {"kid": "odd", "kty": "none", "d": "private-part"}
    with captured_logs() as logs:
        async with serving(private, public(RSA, "k1")) as issuer, verifying(issuer.url) as checker:
            assert await accepts(checker, signed(RSA, "RS256", "k1"))
    assert len(logs.lines("jwks_key_unusable")) == 1


def test_however_many_keys_are_unusable_the_log_gets_one_line() -> None:
    with captured_logs() as logs:
        assert parse_keys(json.dumps({"keys": [{"kty": 1}] * 3_000}).encode()) == ()
    (line,) = logs.lines("jwks_key_unusable")
    assert line["count"] == 3_000
    assert len(line["reasons"]) == 1
    assert "private-part" not in logs.getvalue()


async def test_without_a_kid_the_only_matching_key_is_used() -> None:
    async with serving(public(RSA, "k1"), public(EC, "k2")) as issuer:
        async with verifying(issuer.url) as checker:
            await checker.verify(signed(RSA, "RS256"))
        issuer.keys.append(public(RSA_NEXT, "k3"))
        async with verifying(issuer.url) as checker:
            with pytest.raises(InvalidToken):
                await checker.verify(signed(RSA, "RS256"))


async def test_an_unknown_kid_reloads_the_set_at_a_bounded_rate() -> None:
    clock = FakeClock()
    async with serving(public(RSA, "k1")) as issuer, verifying(issuer.url, clock) as checker:
        await checker.verify(signed(RSA, "RS256", "k1"))
        issuer.keys = [public(RSA_NEXT, "k2")]
        for _ in range(5):
            with pytest.raises(InvalidToken):
                await checker.verify(signed(RSA_NEXT, "RS256", "k2"))
        assert issuer.reads == 1
        clock.advance(timedelta(seconds=5))
        assert (await checker.verify(signed(RSA_NEXT, "RS256", "k2"))).subject == "s-1"
        assert issuer.reads == 2


async def test_after_a_rotation_tokens_of_the_old_key_are_invalid() -> None:
    clock = FakeClock()
    async with serving(public(RSA, "k1")) as issuer, verifying(issuer.url, clock) as checker:
        old = signed(RSA, "RS256", "k1")
        await checker.verify(old)
        issuer.keys = [public(RSA_NEXT, "k2")]
        clock.advance(timedelta(seconds=5))
        await checker.verify(signed(RSA_NEXT, "RS256", "k2"))
        with pytest.raises(InvalidToken):
            await checker.verify(old)


async def test_an_old_set_is_reloaded_in_the_background() -> None:
    clock = FakeClock()
    async with serving(public(RSA, "k1")) as issuer, verifying(issuer.url, clock) as checker:
        old = signed(RSA, "RS256", "k1")
        await checker.verify(old)
        issuer.keys = [public(RSA_NEXT, "k2")]
        clock.advance(timedelta(seconds=300))
        await checker.verify(old)  # still valid, and starts the reload
        async with asyncio.timeout(5):
            while await accepts(checker, old):  # noqa: ASYNC110  # the reload has no event
                await asyncio.sleep(0)
        assert issuer.reads == 2


async def test_known_keys_stay_in_use_while_the_set_cannot_be_loaded() -> None:
    clock = FakeClock()
    async with serving(public(RSA, "k1")) as issuer, verifying(issuer.url, clock) as checker:
        await checker.verify(signed(RSA, "RS256", "k1"))
        issuer.status = 500
        clock.advance(timedelta(seconds=400))
        later = signed(RSA, "RS256", "k1", n=2)
        assert (await checker.verify(later)).subject == "s-1"


@pytest.mark.parametrize("status", [500, 404, 302])
async def test_without_any_keys_the_hub_is_unavailable(
    status: int,
) -> None:
    clock = FakeClock()
    async with serving(public(RSA, "k1")) as issuer, verifying(issuer.url, clock) as checker:
        issuer.status = status
        with pytest.raises(Unavailable):
            await checker.verify(signed(RSA, "RS256", "k1"))
        issuer.status = 200
        clock.advance(timedelta(seconds=5))
        assert (await checker.verify(signed(RSA, "RS256", "k1"))).subject == "s-1"


@pytest.mark.parametrize("body", [b"{", b"[]", b'{"keys":1}', b" " * (256 * 1024 + 1)])
async def test_a_malformed_or_too_large_set_is_not_used(body: bytes) -> None:
    async with serving() as issuer, verifying(issuer.url) as checker:
        issuer.body = body
        with pytest.raises(Unavailable):
            await checker.verify(signed(RSA, "RS256", "k1"))


async def test_a_shared_secret_works_beside_public_keys() -> None:
    secret = "a-secret-of-the-tests-with-32-bytes-or-more"
    async with serving(public(RSA, "k1")) as issuer, verifying(issuer.url, secret=secret) as both:
        assert (await both.verify(signed(secret, "HS256"))).subject == "s-1"
        assert issuer.reads == 0
        assert (await both.verify(signed(RSA, "RS256", "k1"))).subject == "s-1"


async def test_a_removed_key_is_noticed_without_any_request(tmp_path: Path) -> None:
    clock, path = FakeClock(), tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [public(RSA, "k1"), public(EC, "k2")]}))
    async with verifying(str(path), clock, jwks_refresh_s=60) as checker:
        rotations: list[None] = []
        old = await checker.verify(signed(RSA, "RS256", "k1"))
        kept = await checker.verify(signed(EC, "ES256", "k2"))
        checker.on_rotation(lambda: rotations.append(None))
        path.write_text(json.dumps({"keys": [public(EC, "k2"), public(RSA_NEXT, "k1")]}))
        checker.keep_fresh()
        await asyncio.sleep(0.05)
        assert checker.trusts(old), "the set is not reloaded yet"
        clock.advance(timedelta(seconds=61))
        checker.keep_fresh()
        await until(lambda: bool(rotations))
        assert not checker.trusts(old), "another key with the same kid"
        assert checker.trusts(kept)
        assert not await accepts(checker, signed(RSA, "RS256", "k1"))


async def test_a_set_that_cannot_be_loaded_removes_no_key(tmp_path: Path) -> None:
    clock, path = FakeClock(), tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": [public(RSA, "k1")]}))
    async with verifying(str(path), clock, jwks_refresh_s=60) as checker:
        claims = await checker.verify(signed(RSA, "RS256", "k1"))
        path.unlink()
        clock.advance(timedelta(seconds=61))
        checker.keep_fresh()
        await asyncio.sleep(0.05)
        assert checker.trusts(claims)


async def test_keys_that_cannot_be_renewed_end_at_their_maximum_age() -> None:
    clock = FakeClock()
    settings = {"jwks_refresh_s": 60, "jwks_max_age_s": 3_600}
    async with (
        serving(public(RSA, "k1")) as issuer,
        verifying(issuer.url, clock, **settings) as checker,
    ):
        token = signed(RSA, "RS256", "k1", exp=4_000_000_000)
        rotations: list[None] = []
        claims = await checker.verify(token)
        assert checker.keys_status == "ok"
        checker.on_rotation(lambda: rotations.append(None))
        issuer.status = 500
        clock.advance(timedelta(seconds=3_540))
        checker.keep_fresh()
        await until(lambda: checker.keys_status == "degraded")
        assert await accepts(checker, token)
        clock.advance(timedelta(seconds=60))
        with pytest.raises(Unavailable):
            await checker.verify(token)
        assert (checker.keys_status, len(rotations)) == ("down", 1)
        assert not checker.trusts(claims), "its live connections end"
        with pytest.raises(Unavailable):  # and the read in the background has failed, too
            await checker.verify(token)

        issuer.status = 200
        clock.advance(timedelta(seconds=5))
        checker.keep_fresh()
        await until(lambda: checker.keys_status == "ok")
        assert await accepts(checker, token)


async def test_a_hub_that_slept_reads_the_set_before_it_forgets_keys() -> None:
    clock = FakeClock()
    async with serving(public(RSA, "k1")) as issuer, verifying(issuer.url, clock) as checker:
        token = signed(RSA, "RS256", "k1", exp=4_000_000_000)
        await checker.verify(token)
        clock.advance(timedelta(days=3))
        assert await accepts(checker, token)
        await until(lambda: issuer.reads == 2)
        assert (checker.keys_status, await accepts(checker, token)) == ("ok", True)


async def test_tokens_of_the_shared_secret_do_not_depend_on_the_key_set(tmp_path: Path) -> None:
    secret, path = "a-secret-that-is-32-bytes-or-longer-", tmp_path / "jwks.json"
    path.write_text(json.dumps({"keys": []}))
    async with verifying(str(path), secret=secret) as checker:
        assert checker.trusts(await checker.verify(signed(secret, "HS256")))

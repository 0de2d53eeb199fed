"""What ``chairside check`` reports about keys, expected claims and secrets."""

import json
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa

from api.auth import AuthSettings
from hub.chat import ChatSettings
from hub.cli.check_result import CheckResult
from hub.cli.check_tokens import check_tokens, weakness
from hub.cluster.settings import ClusterSettings
from hub.config import Config, load_config
from hub.config_reader import ConfigError
from tests.support.tokens import SECRET

RANDOM = "qX7f0m2uJ9sWc4ZtB1nKe8RvH3yLdGpA"


def reported(**auth: Any) -> Sequence[CheckResult]:
    return list(check_tokens(Config(auth=AuthSettings(**auth))))


def warned(results: Sequence[CheckResult], setting: str) -> bool:
    assert all(result.ok for result in results if result.warning)
    return any(result.warning and setting in result.what for result in results)


@pytest.mark.parametrize(
    "secret",
    [
        SECRET,
        "x" * 40,
        "ab" * 20,
        "Xk9$Qw2!" * 5,
        "deadbeef" * 8,
        "abcdefghijklmnopqrstuvwxyz0123456789",
        "zyxwvutsrqponmlkjihgfedcba9876543210",
        "12345678901234567890123456789012",
        "0000000000000000000000000000000000a",
        "super-secret-jwt-token-with-at-least-32-characters-long",
        "a-string-secret-at-least-256-bits-long",
        "your-256-bit-secret-your-256-bit",
        "PASSWORDPASSWORDpasswordpassword1",
        "correct horse battery staple correct horse",
        "Wir_lieben_gute_Zaehne_in_Wien_und_Graz",
    ],
)
def test_a_secret_that_can_be_guessed_gets_a_warning(secret: str) -> None:
    assert weakness(secret)
    results = reported(secret=secret)
    assert warned(results, "auth.secret")
    assert secret not in str(results)


@pytest.mark.parametrize("length", [24, 32, 48])
def test_random_secrets_get_no_warning(length: int) -> None:
    for _ in range(50):
        assert weakness(secrets.token_urlsafe(length)) is None
    assert weakness(secrets.token_hex(length)) is None


def test_the_other_secrets_are_looked_at_too() -> None:
    weak = "x" * 40
    config = Config(
        auth=AuthSettings(secret=RANDOM),
        chat=ChatSettings(state_secret=weak),
        cluster=ClusterSettings(key=weak),
    )
    results = list(check_tokens(config))
    assert not warned(results, "auth.secret")
    assert warned(results, "chat.state_secret")
    assert warned(results, "cluster.key")


def test_a_missing_audience_or_issuer_gets_a_warning() -> None:
    neither = reported(secret=RANDOM)
    assert warned(neither, "auth.audience")
    assert warned(neither, "auth.issuer")
    both = reported(secret=RANDOM, audience="clinic", issuer="https://id.example")
    assert [result.warning for result in both] == [False]


def key_set(path: Path, bits: int) -> str:
    key = rsa.generate_private_key(public_exponent=65_537, key_size=bits)
    shown = jwt.algorithms.RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
    path.write_text(json.dumps({"keys": [shown]}))
    return str(path)


def test_a_key_set_without_a_usable_key_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "jwks.json"
    assert reported(jwks=key_set(path, 2_048))[0].ok
    weak = reported(jwks=key_set(path, 1_024))[0]
    assert (weak.ok, "no key that can be used" in weak.what) == (False, True)
    path.write_text("{")
    assert not reported(jwks=str(path))[0].ok


def test_a_key_set_over_plain_http_is_an_invalid_setting() -> None:
    with pytest.raises(ConfigError, match=r"auth\.jwks must be a file or an https address"):
        load_config(None, {"CHAIRSIDE_AUTH_JWKS": "http://id.example/jwks.json"})

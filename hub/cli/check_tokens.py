"""What ``chairside check`` reports about tokens: keys, expected claims, and secrets."""

import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Final

from api.keys import parse_keys
from hub.cli.check_result import CheckResult, warning
from hub.config import Config
from hub.config_reader import ConfigError

_MIN_BITS: Final = 96
"""A random text of 32 hexadecimal digits has about 115 by :func:`_bits`."""
_EXAMPLE: Final = re.compile(
    r"secret|passw|change.?me|change.?this|example|sample|dummy|default|insecure|qwerty|letmein"
    r"|chairside|replace|your.?(?:256|key|jwt|own)|(?:dev|test).?(?:key|token)|lorem|foobar",
    re.IGNORECASE,
)
"""What examples and typed secrets contain, and a random one practically never does."""
_BITS_OF_A_WORD: Final = 13
"""Of a word that is drawn from a list of 7,776."""


def check_tokens(config: Config) -> Iterator[CheckResult]:
    try:
        config.require_keys()
    except ConfigError as error:
        yield CheckResult(False, f"tokens: {error}")
    else:
        yield _keys(config.auth.jwks, ", ".join(config.auth.allowed_algorithms))
        yield from _expected_claims(config)
    secrets = {
        "auth.secret": config.auth.secret,
        "chat.state_secret": config.chat.state_secret,
        "cluster.key": config.cluster.key,
    }
    for setting, secret in secrets.items():
        if secret and (why := weakness(secret)):
            yield warning(f"{setting} {why}: set a random one, e.g. of `openssl rand -base64 32`")


def weakness(secret: str) -> str | None:
    """Why the secret can be guessed; ``None`` if it looks random."""
    if _EXAMPLE.search(secret):
        return "contains a word of examples, so others may know it"
    if min(_bits(secret), _bits_of_words(secret)) < _MIN_BITS:
        return "has too few or repeating characters, so it can be guessed"
    return None


def _bits(secret: str) -> float:
    """An estimate of the entropy, at most: of single characters, repetitions and sequences.

    Compression finds repetitions; compression of the differences finds "abcdef" and "97531".
    """
    data = secret.encode()
    steps = bytes((after - before) % 256 for before, after in pairwise(data))
    shares = (count / len(secret) for count in Counter(secret).values())
    single = -len(secret) * sum(share * math.log2(share) for share in shares)
    return min(single, *(8.0 * (len(zlib.compress(each, 9, -15)) - 2) for each in (data, steps)))


def _bits_of_words(secret: str) -> float:
    words = re.findall(r"(?<![^\W_])[A-Za-z][a-z]{2,}(?![^\W_])", secret)
    if len(words) < 3 or sum(map(len, words)) < 0.7 * len(secret):
        return math.inf
    return _BITS_OF_A_WORD * len({word.lower() for word in words})


def _keys(jwks: str, algorithms: str) -> CheckResult:
    if jwks and "://" not in jwks:
        try:
            usable = len(parse_keys(Path(jwks).read_bytes()))
        except FileNotFoundError:
            return CheckResult(False, f"tokens: auth.jwks names {jwks}, which is not there")
        except (OSError, ValueError) as error:
            return CheckResult(False, f"tokens: auth.jwks: {jwks} cannot be read: {error}")
        if not usable:
            return CheckResult(False, f"tokens: auth.jwks: {jwks} has no key that can be used")
    return CheckResult(True, f"tokens: verified with {algorithms}")


def _expected_claims(config: Config) -> Iterator[CheckResult]:
    for setting, claim in (("audience", "aud"), ("issuer", "iss")):
        if not getattr(config.auth, setting):
            yield warning(
                f"tokens: auth.{setting} is not set, so a token that the same key signed for"
                f" another {'service' if claim == 'aud' else 'issuer'} is accepted: set it to"
                f" the `{claim}` of your tokens"
            )

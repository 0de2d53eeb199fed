"""What nodes say to each other is signed: HMAC-SHA256 over all of it, once and for one node.

The key is the cluster's; the time and a number used once keep a recorded request from being
said again; the receiver's id keeps it from being said to another node. Answers are signed
with the request's number, so that none can be put in another's place.
"""

import hashlib
import hmac
from collections import OrderedDict

TOLERANCE_S = 30.0
"""How far the clocks of two nodes may be apart."""
_NONCES_MAX = 200_000


class Forged(Exception):
    """Not signed by a node of this cluster, not for this one, too old, or seen before."""


def sign(key: bytes, *parts: str | bytes) -> str:
    """Over the parts, each with its length, so that none can pass into its neighbour."""
    mac = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        mac.update(len(raw).to_bytes(8, "big"))
        mac.update(raw)
    return mac.hexdigest()


def check(key: bytes, signature: str, *parts: str | bytes) -> None:
    """Raises :class:`Forged`."""
    if not hmac.compare_digest(sign(key, *parts).encode(), signature.encode()):
        raise Forged("wrong signature")


class Seen:
    """Numbers used once, for as long as their time would still be accepted."""

    def __init__(self) -> None:
        self._until: OrderedDict[str, float] = OrderedDict()

    def take(self, nonce: str, sent_s: float, now_s: float) -> None:
        """``sent_s`` and ``now_s`` in Unix seconds. Raises :class:`Forged`."""
        if abs(now_s - sent_s) > TOLERANCE_S:
            raise Forged(f"the clocks differ by {abs(now_s - sent_s):.0f} s, or it is old")
        while self._until and next(iter(self._until.values())) < now_s:
            self._until.popitem(last=False)
        if nonce in self._until:
            raise Forged("said before")
        if len(self._until) >= _NONCES_MAX:
            raise Forged("too many at once")
        self._until[nonce] = now_s + 2 * TOLERANCE_S

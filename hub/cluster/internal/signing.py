"""Signatures of the nodes: HMAC-SHA256 over a whole request or answer, for one receiver, once.

All nodes share one key. The time and the nonce of a request keep a recording of it from being
sent again, and the id of the receiver keeps it from being sent to another node. An answer is
signed together with the nonce of its request, so that no other answer can replace it.
"""

import hashlib
import hmac
from collections import OrderedDict

TOLERANCE_S = 30.0
"""How far the clocks of two nodes may be apart."""
_NONCES_MAX = 200_000


class NotAuthentic(Exception):
    """Not signed by a node of this cluster, not for this node, too old, or repeated."""


def sign(key: bytes, *parts: str | bytes) -> str:
    """The signature of ``parts``, each with its length, so that no part can run into the next."""
    mac = hmac.new(key, digestmod=hashlib.sha256)
    for part in parts:
        raw = part.encode() if isinstance(part, str) else part
        mac.update(len(raw).to_bytes(8, "big"))
        mac.update(raw)
    return mac.hexdigest()


def check(key: bytes, signature: str, *parts: str | bytes) -> None:
    """Raises :class:`NotAuthentic` unless ``signature`` is that of ``parts``."""
    if not hmac.compare_digest(sign(key, *parts).encode(), signature.encode()):
        raise NotAuthentic("wrong signature")


class NonceCache:
    """The nonces of accepted requests, for as long as their time would still be accepted."""

    def __init__(self) -> None:
        self._until: OrderedDict[str, float] = OrderedDict()

    def add(self, nonce: str, sent_s: float, now_s: float) -> None:
        """Accept a request of that time (Unix seconds). Raises :class:`NotAuthentic`."""
        if abs(now_s - sent_s) > TOLERANCE_S:
            raise NotAuthentic(f"the clocks differ by {abs(now_s - sent_s):.0f} s, or it is old")
        while self._until and next(iter(self._until.values())) < now_s:
            self._until.popitem(last=False)
        if nonce in self._until:
            raise NotAuthentic("sent before")
        if len(self._until) >= _NONCES_MAX:
            raise NotAuthentic("too many at once")
        self._until[nonce] = now_s + 2 * TOLERANCE_S

"""Issuers of tokens: a person is matched by the issuer and the subject of a token."""

from typing import Final

IssuedSubject = tuple[str, str]
"""The name of an issuer, and the ``sub`` that it gave a person. Another issuer's equal ``sub`` is
another person."""

EXTERNAL: Final = "auth"
"""The issuer that section ``[auth]`` describes: all tokens that its keys verify."""
HUB: Final = "hub"
"""The hub itself, where people sign in (section ``[sign_in]``)."""
HUB_SUBJECT_PREFIX: Final = "chairside:"
"""How the subjects of the hub's own tokens begin. No other issuer's may: rights that name a
subject, such as consents and webhooks, then mean one party."""

"""An identity provider in this process, whose answers a test can falsify."""

import base64
import hashlib
import json
import secrets
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
from aiohttp import web
from aiohttp.test_utils import TestServer
from cryptography.hazmat.primitives.asymmetric import rsa

CLIENT, SECRET = "chairside", "a secret of the client at its provider"
_KEYS = [rsa.generate_private_key(public_exponent=65_537, key_size=2_048) for _ in range(2)]
KEY, OTHER_KEY = _KEYS


@dataclass
class FakeProvider:
    issuer: str = ""
    claims: dict[str, Any] = field(default_factory=lambda: {"sub": "ext-1", "name": "Ida Example"})
    """Of the person who is signed in there."""
    falsified: dict[str, Any] = field(default_factory=dict)
    """Replaces claims of the ID token."""
    algorithm: str = "RS256"
    key: Any = KEY
    is_down: bool = False
    metadata: dict[str, Any] = field(default_factory=dict)
    """Replaces what the provider publishes of itself."""
    asked: dict[str, dict[str, str]] = field(default_factory=dict)
    """The parameters of each code's request."""
    requests: list[str] = field(default_factory=list)

    def sign_in(self, address: str) -> dict[str, str]:
        """What the browser brings back, after a person has signed in at ``address``."""
        parts = urlsplit(address)
        asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
        code = secrets.token_urlsafe(8)
        self.asked[code] = asked
        return {"code": code, "state": asked["state"], "iss": self.issuer}

    def id_token(self, nonce: str) -> str:
        now = int(time.time())
        own = {"iss": self.issuer, "aud": CLIENT, "iat": now, "exp": now + 300, "nonce": nonce}
        claims = {**own, **self.claims, **self.falsified}
        if self.algorithm == "none":
            return jwt.encode(claims, "", algorithm="none")
        return jwt.encode(claims, self.key, algorithm=self.algorithm, headers={"kid": "k1"})

    async def discover(self, _: web.Request) -> web.Response:
        self._noted("discovery")
        found = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/auth",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/jwks",
            "userinfo_endpoint": f"{self.issuer}/me",
            "authorization_response_iss_parameter_supported": True,
        }
        return web.json_response({**found, **self.metadata})

    async def jwks(self, _: web.Request) -> web.Response:
        self._noted("jwks")
        public = jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key(), as_dict=True)
        return web.json_response({"keys": [{**public, "kid": "k1", "use": "sig", "alg": "RS256"}]})

    async def token(self, request: web.Request) -> web.Response:
        self._noted("token")
        form = await request.post()
        asked = self.asked.pop(str(form["code"]), None)
        challenge = hashlib.sha256(str(form["code_verifier"]).encode()).digest()
        expected = base64.urlsafe_b64encode(challenge).rstrip(b"=").decode()
        basic = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        is_right = (
            asked is not None
            and asked["code_challenge"] == expected
            and asked["code_challenge_method"] == "S256"
            and request.headers.get("Authorization") == f"Basic {basic}"
            and form["redirect_uri"] == asked["redirect_uri"]
        )
        if asked is None or not is_right:
            return web.json_response({"error": "invalid_grant"}, status=400)
        tokens = {"access_token": "at", "token_type": "Bearer"}
        return web.json_response({**tokens, "id_token": self.id_token(asked["nonce"])})

    async def me(self, request: web.Request) -> web.Response:
        self._noted("me")
        assert request.headers["Authorization"] == "Bearer at"
        return web.Response(text=json.dumps(self.claims), content_type="application/json")

    def _noted(self, what: str) -> None:
        self.requests.append(what)
        if self.is_down:
            raise web.HTTPServiceUnavailable


@asynccontextmanager
async def fake_provider() -> AsyncIterator[FakeProvider]:
    provider, app = FakeProvider(), web.Application()
    app.router.add_get("/.well-known/openid-configuration", provider.discover)
    app.router.add_get("/jwks", provider.jwks)
    app.router.add_post("/token", provider.token)
    app.router.add_get("/me", provider.me)
    async with TestServer(app) as server:
        provider.issuer = str(server.make_url("")).rstrip("/")
        yield provider


def callback(returned: dict[str, str]) -> str:
    return f"/sign-in/oidc/callback?{urlencode(returned)}"

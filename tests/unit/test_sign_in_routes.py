"""The documentation lists every address at which people sign in."""

import re
from pathlib import Path

from aiohttp import web

from api.rest.pages import sign_in_pages
from api.sign_in.openid_routes import openid_routes
from api.sign_in.routes import sign_in_routes

DOCS = Path(__file__).parents[2] / "docs" / "authorization.md"


def test_every_address_of_the_sign_in_is_listed() -> None:
    text = DOCS.read_text(encoding="utf-8").partition("these are open, too")[2]
    table = text.partition("## Namespaces")[0]
    listed = re.findall(r"`((?:GET|POST) /[a-z./-]+)`", table)
    routes: list[web.RouteDef] = [*sign_in_pages(), *sign_in_routes(), *openid_routes()]
    assert sorted(listed) == sorted(f"{each.method} {each.path}" for each in routes)

"""Whether a page of this hub sends a request, and not one of another origin."""

from aiohttp import web

from actors.domain.refusals import Forbidden


def check_own_page(request: web.Request, public_url: str, sentence: str) -> None:
    """Browsers add ``Origin`` to every POST request; without it, nothing is known of the sender.

    Raises Forbidden with the sentence.
    """
    if request.headers.getall("Origin", []) != [public_url]:
        raise Forbidden(sentence)
    if request.headers.get("Sec-Fetch-Site", "same-origin") != "same-origin":
        raise Forbidden(sentence)

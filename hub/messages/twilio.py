"""Hands text messages over to Twilio (https://www.twilio.com/docs/messaging/api/message-resource).

Twilio knows no key by which a repeated request is noticed. So a text message whose answer was
lost may arrive twice.
"""

from typing import Final

import aiohttp
import orjson
import structlog

from actors.domain.message import MessageError
from actors.ports.messages import NotAccepted, TextContent
from hub.messages.settings import SmsSettings

log = structlog.get_logger(__name__)

_ANSWER_BYTES_MAX: Final = 64 * 1024
_UNKNOWN_NUMBERS: Final = frozenset({21211, 21214, 21217, 21614})
"""Codes of numbers that do not exist, or take no text messages."""
_TOO_MANY: Final = 429
_SERVICE_PREFIX: Final = "MG"


class TwilioTransport:
    """Implements :class:`actors.ports.messages.TextTransport`."""

    def __init__(self, settings: SmsSettings) -> None:
        self._settings = settings
        self._session: aiohttp.ClientSession | None = None

    async def send(self, text: TextContent) -> None:
        settings = self._settings
        by_service = settings.sender.startswith(_SERVICE_PREFIX)
        form = {
            "To": text.to,
            "MessagingServiceSid" if by_service else "From": settings.sender,
            "Body": text.text,
        }
        path = f"/2010-04-01/Accounts/{settings.account}/Messages.json"
        try:
            async with self._opened().post(
                settings.api_url.rstrip("/") + path, data=form, allow_redirects=False
            ) as response:
                if response.status == 201:
                    return
                raise await _refusal(response)
        except TimeoutError as error:
            raise NotAccepted(MessageError.TIMEOUT) from error
        except aiohttp.ClientError as error:
            raise NotAccepted(MessageError.UNREACHABLE) from error

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            settings = self._settings
            self._session = aiohttp.ClientSession(
                headers={
                    "Authorization": aiohttp.encode_basic_auth(settings.account, settings.token)
                },
                timeout=aiohttp.ClientTimeout(total=settings.timeout_s),
            )
        return self._session

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()


async def _refusal(response: aiohttp.ClientResponse) -> NotAccepted:
    """The provider's own words are not kept: they may name the number."""
    code = await _code(response)
    log.info("text_message_refused", status=response.status, code=code)
    if code in _UNKNOWN_NUMBERS:
        return NotAccepted(MessageError.MAILBOX_UNKNOWN, for_good=True)
    if response.status == _TOO_MANY or response.status >= 500:
        return NotAccepted(MessageError.DEFERRED)
    if response.status in (401, 403, 404):  # of the account, not of this message
        return NotAccepted(MessageError.REFUSED)
    return NotAccepted(MessageError.REFUSED, for_good=True)


async def _code(response: aiohttp.ClientResponse) -> int | None:
    try:
        answer = orjson.loads(await response.content.read(_ANSWER_BYTES_MAX))
    except (aiohttp.ClientError, orjson.JSONDecodeError):
        return None
    code = answer.get("code") if isinstance(answer, dict) else None
    return code if isinstance(code, int) else None

"""Text messages: to which numbers, what they say, and what refusals of the provider mean."""

from dataclasses import replace

import pytest

from actors.domain.contact import mobile_number
from actors.domain.message import MessageError
from actors.ports.messages import NotAccepted, TextContent
from hub.config import Config
from hub.config_reader import ConfigError
from hub.messages.letters import Letters
from hub.messages.settings import MessageSettings, SmsSettings
from hub.messages.twilio import TwilioTransport
from tests.support.text_provider import SENDER, text_provider
from tests.unit.test_mails import PRACTICE, details, message

SETTINGS = MessageSettings(enabled=True, sms_regions=("AT", "DE"))


@pytest.mark.parametrize(
    ("phone", "region", "number"),
    [
        ("+43 664 1234567", "", ("+436641234567", "AT")),
        ("0664 1234567", "AT", ("+436641234567", "AT")),
        ("0664 1234567", "", None),
        ("+43 1 5880100", "", None),  # a fixed line
        ("+1 201 555 0123", "", ("+12015550123", "US")),
        ("12", "AT", None),
    ],
)
def test_which_numbers_take_text_messages(
    phone: str, region: str, number: tuple[str, str] | None
) -> None:
    found = mobile_number(phone, region)
    assert (found and (found.e164, found.region)) == number


def text_to(phone: str) -> TextContent:
    told = details("de", name="Anna", phone=phone)
    told = replace(told, practice=replace(PRACTICE, region="AT", name="Praxis\nAnn"))
    return Letters(SETTINGS, "").text_of_visit(message(), told, phone)


def test_a_text_has_time_practice_and_telephone() -> None:
    text = text_to("0664 1234567")
    assert text.to == "+436641234567"
    assert text.text == (
        "Praxis Ann: Ihr Termin ist gebucht. Montag, 8. März 2027, 09:30 Uhr. Telefon: +49 30 1234"
    )


@pytest.mark.parametrize(
    ("phone", "error"),
    [
        ("+1 201 555 0123", MessageError.REGION_NOT_ALLOWED),
        ("+43 1 5880100", MessageError.MAILBOX_UNKNOWN),
    ],
)
def test_other_numbers_are_refused_for_good(phone: str, error: MessageError) -> None:
    with pytest.raises(NotAccepted) as refused:
        text_to(phone)
    assert (refused.value.error, refused.value.for_good) == (error, True)


async def test_a_text_is_handed_over_once() -> None:
    async with text_provider() as provider:
        transport = TwilioTransport(provider.settings)
        await transport.send(TextContent(to="+436641234567", text="Hello"))
        service = TwilioTransport(replace(provider.settings, sender="MG1"))
        await service.send(TextContent(to="+436641234567", text="Hello"))
        assert provider.texts == [
            {"To": "+436641234567", "From": SENDER, "Body": "Hello"},
            {"To": "+436641234567", "MessagingServiceSid": "MG1", "Body": "Hello"},
        ]
        await transport.close()
        await service.close()


@pytest.mark.parametrize(
    ("status", "code", "error", "for_good"),
    [
        (400, 21211, MessageError.MAILBOX_UNKNOWN, True),
        (400, 21610, MessageError.REFUSED, True),
        (401, 20003, MessageError.REFUSED, False),
        (429, 20429, MessageError.DEFERRED, False),
        (503, 0, MessageError.DEFERRED, False),
        (302, 0, MessageError.REFUSED, True),
    ],
)
async def test_what_a_refusal_means(
    status: int, code: int, error: MessageError, for_good: bool
) -> None:
    async with text_provider() as provider:
        provider.refusals.append((status, code))
        transport = TwilioTransport(provider.settings)
        with pytest.raises(NotAccepted) as refused:
            await transport.send(TextContent(to="+436641234567", text="Hello"))
        assert (refused.value.error, refused.value.for_good) == (error, for_good)
        await transport.close()


async def test_a_provider_that_is_away_is_tried_again() -> None:
    async with text_provider() as provider:
        settings = provider.settings
    transport = TwilioTransport(settings)
    with pytest.raises(NotAccepted) as refused:
        await transport.send(TextContent(to="+436641234567", text="Hello"))
    assert (refused.value.error, refused.value.for_good) == (MessageError.UNREACHABLE, False)
    await transport.close()


def test_text_messages_need_countries_and_encryption() -> None:
    account = {"account": "AC1", "token": "t", "sender": "Praxis"}
    with pytest.raises(ConfigError, match=r"messages\.sms_regions"):
        Config(sms=SmsSettings(**account), messages=MessageSettings(enabled=True))  # type: ignore[arg-type]  # texts
    with pytest.raises(ValueError, match=r"^api_url "):
        SmsSettings(**account, api_url="http://sms.example")  # type: ignore[arg-type]  # texts
    with pytest.raises(ValueError, match=r"^account "):
        SmsSettings(account="AC1")
    with pytest.raises(ValueError, match=r"^sms_regions "):
        MessageSettings(sms_regions=("Austria",))

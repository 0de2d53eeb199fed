"""Handing mails over to a mail server: encryption, login, connections, refusals."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pytest

from actors.domain.message import MessageError, MessageKind
from actors.ports.messages import MailContent, NotAccepted
from hub.clock import SystemClock
from hub.messages.settings import MailSettings
from hub.messages.smtp import SmtpTransport
from tests.support.mail_server import mail_server
from tests.support.tls import Authority, Identity
from tests.unit.test_mails import details, letter

Encryption = Literal["starttls", "implicit"]


def mail(to: str = "anna@example.org") -> MailContent:
    return replace(letter(MessageKind.CONFIRMATION, details()), to=to)


@asynccontextmanager
async def transport_to(settings: MailSettings) -> AsyncIterator[SmtpTransport]:
    transport = SmtpTransport(settings, SystemClock())
    try:
        yield transport
    finally:
        await transport.close()


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "authority")


def served_as(identity: Identity, encryption: Encryption) -> dict[str, Any]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    return {encryption: context}


@pytest.mark.parametrize("encryption", ["starttls", "implicit"])
async def test_mails_travel_encrypted_to_a_known_server(
    encryption: Encryption, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    identity = authority.signed("mail", "localhost")
    async with mail_server(**served_as(identity, encryption)) as server:
        settings = replace(server.settings(), server="localhost", tls=encryption)
        async with transport_to(settings) as transport:
            await transport.send(mail())
            await transport.send(mail("ben@example.org"))
        assert [each.to for each in server.mails] == ["anna@example.org", "ben@example.org"]
        assert server.connections == 1, "it is kept"


@pytest.mark.parametrize("encryption", ["starttls", "implicit"])
async def test_a_server_that_cannot_prove_its_name_gets_nothing(
    encryption: Encryption, authority: Authority
) -> None:
    async with mail_server(
        **served_as(authority.signed("mail", "localhost"), encryption)
    ) as server:
        settings = replace(server.settings(), server="localhost", tls=encryption)
        async with transport_to(settings) as transport:
            with pytest.raises(NotAccepted) as refused:
                await transport.send(mail())
        assert (refused.value.error, refused.value.for_good) == (MessageError.UNREACHABLE, False)
        assert server.mails == []


async def test_a_server_without_encryption_gets_nothing_unless_that_is_set() -> None:
    async with mail_server() as server:
        async with transport_to(replace(server.settings(), tls="starttls")) as transport:
            with pytest.raises(NotAccepted):
                await transport.send(mail())
        assert server.mails == []


@pytest.mark.parametrize(
    ("answer", "error", "for_good"),
    [
        ("550 no such mailbox", MessageError.MAILBOX_UNKNOWN, True),
        ("552 too much mail", MessageError.REFUSED, True),
        ("450 busy", MessageError.DEFERRED, False),
    ],
)
async def test_what_the_refusal_of_a_recipient_means(
    answer: str, error: MessageError, for_good: bool
) -> None:
    async with mail_server() as server, transport_to(server.settings()) as transport:
        server.refused["anna@example.org"] = answer
        with pytest.raises(NotAccepted) as refused:
            await transport.send(mail())
        assert (refused.value.error, refused.value.for_good) == (error, for_good)
        await transport.send(mail("ben@example.org"))
        assert [each.to for each in server.mails] == ["ben@example.org"]


async def test_a_server_that_does_not_answer_in_time() -> None:
    async with mail_server() as server:
        server.is_open.clear()
        async with transport_to(server.settings(timeout_s=0.2)) as transport:
            with pytest.raises(NotAccepted) as refused:
                await transport.send(mail())
        assert (refused.value.error, refused.value.for_good) == (MessageError.TIMEOUT, False)


async def test_a_connection_that_the_server_closed_meanwhile_is_replaced() -> None:
    async with mail_server() as server, transport_to(server.settings()) as transport:
        await transport.send(mail())
        server.close_connections()
        await transport.send(mail("ben@example.org"))
        assert [each.to for each in server.mails] == ["anna@example.org", "ben@example.org"]
        assert server.connections == 2


@pytest.mark.parametrize("to", ["nobody", "a@b\r\nRCPT TO:<all@example.org>", "ä@example.org"])
async def test_an_address_that_is_none_is_not_sent(to: str) -> None:
    async with mail_server() as server, transport_to(server.settings()) as transport:
        with pytest.raises(NotAccepted) as refused:
            await transport.send(mail(to))
        assert (refused.value.error, refused.value.for_good) == (
            MessageError.MAILBOX_UNKNOWN,
            True,
        )
        assert server.attempts.total() == 0

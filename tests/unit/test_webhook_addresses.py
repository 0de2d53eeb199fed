"""Addresses of receivers: private ones are refused, however they are written (SSRF)."""

import socket
from collections.abc import AsyncIterator, Sequence

import pytest

from actors.domain.refusals import ValidationFailed
from hub.webhooks.addresses import AddressRules, RefusedAddress, networks
from hub.webhooks.resolver import NOT_PUBLIC
from hub.webhooks.sender import Sender
from hub.webhooks.settings import WebhookSettings

PRIVATE = [
    "127.0.0.1",
    "127.255.255.254",
    "0.0.0.0",  # noqa: S104  # refused, not bound
    "10.0.0.1",
    "10.255.255.255",
    "172.16.0.1",
    "172.31.255.255",
    "192.168.1.1",
    "169.254.169.254",  # metadata of most clouds
    "169.254.170.2",  # of containers
    "100.100.100.200",  # Alibaba's
    "100.64.0.1",
    "192.0.0.192",  # Oracle's
    "168.63.129.16",  # Azure's host
    "192.0.2.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "192.88.99.1",
    "224.0.0.1",
    "239.255.255.255",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "fe80::1",
    "fe80::1%1",
    "fec0::1",
    "fc00::1",
    "fd00:ec2::254",  # Amazon's
    "ff02::1",
    "2001:db8::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",  # Teredo
    "100::1",
    "5f00::1",
    "::ffff:127.0.0.1",
    "::ffff:7f00:1",
    "::ffff:10.0.0.1",
    "::ffff:169.254.169.254",
    "::127.0.0.1",
    "::7f00:1",
    "2002:7f00:1::",
    "2002:a9fe:a9fe::1",
    "64:ff9b::7f00:1",
    "64:ff9b::10.0.0.1",
    "64:ff9b:1::808:808",
    "3fff::1",  # documentation
    "3fff:fff:ffff:ffff:ffff:ffff:ffff:ffff",
    "3ffe::1",
    "100:0:0:1::1",
    "2001:20::1",
    "4000::1",
    "192.175.48.1",
    "2620:4f:8000::1",
    "2606:4700::5efe:10.0.0.1",  # ISATAP
    "2606:4700::200:5efe:7f00:1",
    "::ffff:0:8.8.8.8",
]
PUBLIC = [
    "8.8.8.8",
    "1.1.1.1",
    "172.32.0.1",
    "100.128.0.1",
    "2606:4700:4700::1111",
    "2001:4860:4860::8888",
    "::ffff:8.8.8.8",
    "64:ff9b::808:808",
    "2002:808:808::1",
    "2606:4700::5efe:8.8.8.8",
    "3fff:1000::1",
]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public_are_refused(address: str) -> None:
    with pytest.raises(RefusedAddress):
        AddressRules().check(address)
    with pytest.raises(RefusedAddress):
        AddressRules().check_literal(address)


@pytest.mark.parametrize("address", PUBLIC)
def test_public_addresses_are_allowed(address: str) -> None:
    AddressRules().check(address)


def test_allowed_networks_are_the_only_exceptions() -> None:
    rules = AddressRules(networks(["10.1.0.0/16", "::1/128"]))
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "::1"):
        rules.check(address)
    for address in ("10.2.0.1", "::ffff:10.2.0.1", "127.0.0.1", "::2"):
        with pytest.raises(RefusedAddress):
            rules.check(address)


class Names:
    """A name server with the answers of the test; the last answer is repeated."""

    def __init__(self) -> None:
        self.answers: dict[str, list[Sequence[str]]] = {}
        self.looked_up: list[str] = []

    async def __call__(self, host: str, port: int) -> Sequence[str]:
        self.looked_up.append(host)
        answers = self.answers.get(host)
        if not answers:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return answers.pop(0) if len(answers) > 1 else answers[0]


@pytest.fixture
def names() -> Names:
    return Names()


@pytest.fixture
async def sender(names: Names) -> AsyncIterator[Sender]:
    made = Sender(WebhookSettings(allow_http=True), names)
    yield made
    await made.close()


async def refusal(sender: Sender, url: str) -> str:
    with pytest.raises(ValidationFailed) as refused:
        await sender.check(url)
    (detail,) = refused.value.details
    assert detail.field == "url"
    return detail.message


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/",
        "http://127.0.0.1:8080/x",
        "http://127.1/",
        "http://127.0.1/",
        "http://0177.0.0.1/",
        "http://127.0.0.1./",
        "http://2130706433/",
        "http://017700000001/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]:99/",
        "http://[::ffff:7f00:1]/",
        "http://[fe80::1%25eth0]/",
        "http://\u2460\u2461\u2466.0.0.1/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0/",
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org/",
        "javascript:alert(1)",
        "//example.org/",
        "example.org",
        "http://",
        "http:///x",
        "https://user:password@example.org/",
        "https://user@example.org/",
        "https://example.org/#fragment",
        "https://example.org:0/",
        "https://example.org:99999/",
        "https://exa mple.org/",
    ],
)
async def test_urls_that_are_private_ambiguous_or_malformed_are_refused(
    sender: Sender, names: Names, url: str
) -> None:
    names.answers["example.org"] = [["93.184.215.14"]]
    await refusal(sender, url)


@pytest.mark.parametrize("url", ["http://0x7f000001/", "http://0x7f.1/", "http://localhost/"])
async def test_names_of_this_machine_are_refused(
    url: str,
) -> None:
    sender = Sender(WebhookSettings(allow_http=True))
    try:
        await refusal(sender, url)
    finally:
        await sender.close()


@pytest.mark.parametrize(
    "addresses",
    [
        ["10.0.0.1"],
        ["3fff::1"],
        ["::1"],
        ["::ffff:192.168.0.1"],
        ["8.8.8.8", "10.0.0.1"],
        ["fd00::1"],
    ],
)
async def test_a_name_with_any_private_address_is_refused(
    sender: Sender, names: Names, addresses: list[str]
) -> None:
    names.answers["inside.example"] = [addresses]
    assert await refusal(sender, "https://inside.example/hook") == NOT_PUBLIC


async def test_an_unknown_name_is_refused_with_the_same_text(sender: Sender) -> None:
    """Otherwise a caller could find out which names the operator's network has."""
    assert await refusal(sender, "https://nowhere.example/") == NOT_PUBLIC


async def test_public_names_are_accepted(sender: Sender, names: Names) -> None:
    names.answers["bot.example"] = [["93.184.215.14", "2606:4700:4700::1111"]]
    await sender.check("https://bot.example:8443/hook?key=1")


async def test_only_tls_is_accepted_by_default(names: Names) -> None:
    names.answers["bot.example"] = [["93.184.215.14"]]
    sender = Sender(WebhookSettings(), names)
    try:
        assert await refusal(sender, "http://bot.example/") == "must begin with https://"
        await sender.check("https://bot.example/")
    finally:
        await sender.close()

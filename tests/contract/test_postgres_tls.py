"""TLS to PostgreSQL: what each ``sslmode`` accepts, and errors that name what to check."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from urllib.parse import quote

import pytest

from actors.ports.commits import StoreUnavailable
from store.engine import Store
from tests.contract.clinic import Clinic, booked, dentist
from tests.contract.engines import PostgresDatabase
from tests.contract.test_postgres_writers import beside, opened
from tests.contract.test_reads import DEFAULT
from tests.support.tls import Authority, TlsFront, tls_front

pytestmark = pytest.mark.parametrize("engine", ["postgres"], indirect=True)

Open = Callable[[str], AbstractAsyncContextManager[Store]]
"""A hub's store with these options of the URL."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("certificates")


@pytest.fixture(scope="module")
def authority(folder: Path) -> Authority:
    return Authority(folder, "authority")


@pytest.fixture(scope="module")
def stranger(folder: Path) -> Authority:
    return Authority(folder, "stranger")


@pytest.fixture
async def front(database: PostgresDatabase, authority: Authority) -> AsyncIterator[TlsFront]:
    """A server that speaks TLS only."""
    async with tls_front(database.url, authority.signed("server", "127.0.0.1")) as front:
        yield front


@pytest.fixture
def over_tls(front: TlsFront, clinic: Clinic) -> Open:
    return lambda options: opened(f"{front.url}?{options}", clinic)


async def refusal(opening: AbstractAsyncContextManager[Store]) -> str:
    with pytest.raises(StoreUnavailable) as refused:
        async with opening:
            pytest.fail("it opened")
    return str(refused.value)


@pytest.mark.parametrize(
    "options",
    [
        "sslmode=require",
        "sslmode=verify-ca&sslrootcert={ca}",
        "sslmode=verify-full&sslrootcert={ca}",
    ],
)
async def test_a_hub_works_over_tls(
    over_tls: Open, front: TlsFront, clinic: Clinic, authority: Authority, options: str
) -> None:
    """Writers, readers and the check of the schema."""
    ann, pat = await clinic.add_dentist(), await clinic.add_patient()
    async with over_tls(options.format(ca=quote(str(authority.certificate)))) as store:
        before = front.encrypted
        other = beside(clinic, store)
        row = other.row(ann, pat)
        await other.commit(await other.open(ann), other.turn(booked(row)))
        assert (await store.appointments.page(dentist(ann), DEFAULT)).rows == (row,)
        assert before > 0


async def test_a_certificate_of_another_authority_is_refused(
    over_tls: Open, front: TlsFront, stranger: Authority
) -> None:
    message = await refusal(over_tls(f"sslmode=verify-full&sslrootcert={stranger.certificate}"))
    assert "its certificate is not accepted" in message
    assert "sslrootcert" in message
    assert front.encrypted == 0


async def test_a_certificate_for_another_host_is_refused_by_verify_full_alone(
    database: PostgresDatabase, clinic: Clinic, authority: Authority
) -> None:
    elsewhere = authority.signed("elsewhere", "db.example", "10.0.0.1")
    root = f"sslrootcert={authority.certificate}"
    async with tls_front(database.url, elsewhere) as front:
        message = await refusal(opened(f"{front.url}?sslmode=verify-full&{root}", clinic))
        assert "IP address mismatch, certificate is not valid for '127.0.0.1'" in message
        async with opened(f"{front.url}?sslmode=verify-ca&{root}", clinic) as store:
            await store.ping()


async def test_the_authorities_of_the_machine_may_vouch_for_the_server(
    over_tls: Open, authority: Authority, stranger: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = "sslmode=verify-full&sslrootcert=system"
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.certificate))
    async with over_tls(options) as store:
        await store.ping()
    monkeypatch.setenv("SSL_CERT_FILE", str(stranger.certificate))
    assert "its certificate is not accepted" in await refusal(over_tls(options))


async def test_server_may_require_a_client_certificate(
    database: PostgresDatabase, clinic: Clinic, authority: Authority, stranger: Authority
) -> None:
    server = authority.signed("asking", "127.0.0.1")
    root = f"sslmode=verify-full&sslrootcert={authority.certificate}"
    async with tls_front(database.url, server, clients=authority.certificate) as front:
        for signer, welcome in ((authority, True), (stranger, False)):
            mine = signer.signed(f"hub-{welcome}")
            own = f"sslcert={mine.certificate}&sslkey={mine.key}"
            opening = opened(f"{front.url}?{root}&{own}", clinic)
            if not welcome:
                assert "PostgreSQL cannot be reached" in await refusal(opening)
                continue
            async with opening as store:
                await store.ping()
        assert "cannot be reached" in await refusal(opened(f"{front.url}?{root}", clinic))


async def test_missing_encryption_is_reported(
    over_tls: Open, database: PostgresDatabase, clinic: Clinic
) -> None:
    assert "no encryption" in await refusal(over_tls("sslmode=disable"))
    message = await refusal(opened(f"{database.url}?sslmode=require", clinic))
    assert "rejected SSL upgrade" in message


@pytest.mark.parametrize("option", ["sslrootcert", "sslcert", "sslkey"])
async def test_a_file_that_is_not_there_is_named(over_tls: Open, option: str) -> None:
    message = await refusal(over_tls(f"sslmode=verify-full&{option}=/nowhere.pem"))
    assert f"{option} of the database URL is no file: /nowhere.pem" in message

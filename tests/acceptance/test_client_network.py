"""The Python client when networks, tokens and transports fail."""

import asyncio

import pytest

from api.realtime.rooms.settings import RealtimeSettings
from api.settings import ApiSettings
from chairside.client import ClientClosed, ConnectionLost, HubError, HubEvent
from tests.acceptance.conftest import OpenClinic
from tests.acceptance.test_client import live, offsets
from tests.support.clinic import Clinic, appointments_of
from tests.support.eventually import eventually
from tests.support.logs import captured_logs
from tests.support.proxy import network_to, no_websockets
from tests.support.running import Template, make_template
from tests.support.tokens import token


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    """One engine is enough: nothing here depends on the database."""
    with captured_logs():
        return make_template(tmp_path_factory.mktemp("template"))


async def test_an_expiring_token_is_renewed_on_the_same_connection(
    clinic: Clinic,
) -> None:
    given = iter([token("dentist", "dentist-0", ttl_s=2.0)])

    async def fresh() -> str:
        await asyncio.sleep(0)
        return next(given, clinic.dentists[0].token)

    got: list[HubEvent] = []
    async with live(clinic, got, token=fresh) as client:
        await asyncio.sleep(2.2)  # past the end of the first token
        await clinic.book(clinic.patients[0])
        assert await eventually(lambda: got, 2.0)
        assert client.connections == 1


async def test_an_expired_token_is_requested_once_more(clinic: Clinic) -> None:
    given = [clinic.dentists[0].token, token("dentist", "dentist-0", ttl_s=-1)]
    async with live(clinic, [], token=given.pop) as client:
        assert client.connected
    bad = token("dentist", "dentist-0", ttl_s=-1)
    with pytest.raises(HubError) as refused:
        async with live(clinic, [], token=lambda: bad):
            pass
    assert refused.value.code == "UNAUTHORIZED"


async def test_a_failing_token_function_is_called_again(clinic: Clinic) -> None:
    failures = [ConnectionError("the issuer does not answer")] * 2

    def unreliable() -> str:
        if failures:
            raise failures.pop()
        return clinic.dentists[0].token

    async with live(clinic, [], token=unreliable) as client:
        assert client.connected


async def test_a_client_that_is_refused_later_reports_it(clinic: Clinic) -> None:
    """Its token expires, and it has no other."""
    ends: list[HubError] = []
    short = token("dentist", "dentist-0", ttl_s=1.0)
    async with live(clinic, [], token=short, on_end=ends.append) as client:
        assert await eventually(lambda: ends, 4.0)
        assert ends[0].code == "UNAUTHORIZED"
        with pytest.raises(HubError):
            await client.me()


async def test_without_websockets_it_falls_back_to_polling(clinic: Clinic) -> None:
    got: list[HubEvent] = []
    async with network_to(clinic.url) as network:
        network.lets_through = no_websockets
        async with live(clinic, got, url=network.url) as client:
            await clinic.book(clinic.patients[0])
            assert await eventually(lambda: got, 2.0)
            assert (await client.me())["role"] == "dentist"
        with pytest.raises(ConnectionLost):
            async with live(clinic, [], url=network.url, fallback=False, timeout_s=0.5):
                pass


async def test_a_half_open_connection_is_noticed_by_its_heartbeat(open_clinic: OpenClinic) -> None:
    quick = RealtimeSettings(ping_interval_s=0.3, ping_timeout_s=0.4)
    got: list[HubEvent] = []
    async with (
        open_clinic(realtime=quick) as clinic,
        network_to(clinic.url) as network,
        live(clinic, got, url=network.url) as client,
    ):
        network.freeze()
        await clinic.book(clinic.patients[0])
        assert await eventually(lambda: client.connections == 2, 4.0)
        assert await eventually(lambda: offsets(got, appointments_of(clinic.dentists[0])), 2.0)


async def test_a_half_open_connection_is_noticed_by_a_missing_ack(
    clinic: Clinic,
) -> None:
    """Long before a heartbeat is missed. The command is executed once."""
    async with (
        network_to(clinic.url) as network,
        live(
            clinic,
            [],
            url=network.url,
            namespace="/patient",
            token=clinic.patients[0].token,
            timeout_s=0.5,
        ) as client,
    ):
        network.freeze()
        slot = clinic.slot()
        booked = await client.book_slot(
            dentist_id=slot["dentist_id"],
            appointment_type_id=slot["appointment_type_id"],
            start=slot["start"],
        )
        assert booked["status"] == "confirmed"
        assert client.connections == 2


async def test_a_left_channel_stays_left_over_reconnections(clinic: Clinic) -> None:
    got: list[HubEvent] = []
    own = appointments_of(clinic.dentists[0])
    async with network_to(clinic.url) as network, live(clinic, got, url=network.url) as client:
        await client.leave(own)
        network.cut()
        assert await eventually(lambda: client.connections == 2, 3.0)
        assert own not in client.trackers
        await clinic.book(clinic.patients[0])
        assert await eventually(lambda: got, 2.0), "other channels continue"
        assert offsets(got, own) == []


async def test_a_closed_client_raises_client_closed(clinic: Clinic) -> None:
    async with live(clinic, []) as client:
        pass
    with pytest.raises(ClientClosed):
        await client.me()


async def test_commands_beyond_the_limit_of_a_socket_wait(
    open_clinic: OpenClinic,
) -> None:
    async with (
        open_clinic(api=ApiSettings(rate_per_s=1_000, rate_burst=1_000)) as clinic,
        live(clinic, []) as client,
    ):
        profiles = await asyncio.gather(*(client.me() for _ in range(100)))
        assert len(profiles) == 100


async def test_an_unknown_namespace_is_refused_for_good(clinic: Clinic) -> None:
    with pytest.raises(HubError) as refused:
        async with live(clinic, [], namespace="/nowhere"):
            pass
    assert refused.value.code == "Invalid namespace"

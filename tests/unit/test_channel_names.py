"""Names of channels as clients write them, and whether a principal may join them."""

import pytest

from actors.domain import channels as hub_channels
from actors.domain.channels import Channel, parse_channel
from actors.domain.ids import DentistId, ProfileId
from actors.domain.issuers import IssuedSubject
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.domain.refusals import Forbidden, NotFound
from actors.services.channel_access import ChannelAccess
from actors.services.directory import Directory
from chairside.client import slot_cache
from chairside.client.channels import availability_channel, canonical_channel

DENTIST = DentistId(ProfileId("01976f2e-0000-7000-8000-00000000000d"))
PATIENT = ProfileId("01976f2e-0000-7000-8000-0000000000aa")
CALLER = Principal(role=Role.PATIENT, subject="s", person=ProfileId("p"))


class People:
    """The directory's store, with counted look-ups."""

    def __init__(self) -> None:
        self.rows: dict[str, Profile] = {}
        self.lookups: list[str] = []

    def add(self, profile_id: ProfileId, role: Role) -> None:
        self.rows[profile_id] = Profile(id=profile_id, role=role, name="A")

    async def by_id(self, profile_id: ProfileId) -> Profile | None:
        self.lookups.append(profile_id)
        return self.rows.get(profile_id)

    async def by_identity(self, _: IssuedSubject) -> Profile | None:
        raise AssertionError("channels name ids")


def access(people: People) -> ChannelAccess:
    return ChannelAccess(Directory(people))  # type: ignore[arg-type]  # two of its methods


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"availability:dentist:{DENTIST.upper()}", f"availability:dentist:{DENTIST}"),
        (f"availability:dentist:{DENTIST}", f"availability:dentist:{DENTIST}"),
        ("availability:all", "availability:all"),
        ("availability:dentist:ABC", "availability:dentist:ABC"),
        (f"availability:dentist:{{{DENTIST.upper()}}}",) * 2,
        (f"availability:dentist:{DENTIST.upper()} ",) * 2,
        (f"availability:dentist:{DENTIST.upper().replace('-', '')}",) * 2,
        ("", ""),
    ],
)
def test_hub_and_client_read_names_alike(name: str, expected: str) -> None:
    """Exactly the ids that REST accepts; no other text is changed."""
    assert parse_channel(name) == expected
    assert canonical_channel(name) == expected


async def test_a_dentist_is_looked_up_once_and_a_malformed_id_never() -> None:
    people = People()
    people.add(DENTIST, Role.DENTIST)
    people.add(PATIENT, Role.PATIENT)
    channels = access(people)
    for _ in range(3):
        await channels.check(CALLER, [Channel(f"availability:dentist:{DENTIST}")])
    for subject in ("ANYTHING", "a\0b", PATIENT):
        with pytest.raises(NotFound):
            await channels.check(CALLER, [Channel(f"availability:dentist:{subject}")])
    assert people.lookups == [DENTIST, PATIENT]


async def test_a_refused_request_looks_up_one_unknown_dentist_at_most() -> None:
    people = People()
    unknown = [Channel(f"availability:dentist:01976f2e-0000-7000-8000-{n:012}") for n in range(100)]
    with pytest.raises(NotFound):
        await access(people).check(CALLER, unknown)
    assert len(people.lookups) == 1


async def test_channels_of_others_are_refused_without_a_look_up() -> None:
    people = People()
    people.add(PATIENT, Role.PATIENT)
    for subject in (PATIENT, DENTIST, "ANYTHING"):
        with pytest.raises(Forbidden):
            await access(people).check(CALLER, [Channel(f"appointments:patient:{subject}")])
    assert people.lookups == []


async def test_a_new_dentist_is_known_at_once() -> None:
    people = People()
    channels, name = access(people), Channel(f"availability:dentist:{DENTIST}")
    with pytest.raises(NotFound):
        await channels.check(CALLER, [name])
    people.add(DENTIST, Role.DENTIST)
    await channels.check(CALLER, [name])


def test_hub_and_client_build_the_same_name() -> None:
    assert availability_channel(DENTIST) == hub_channels.availability_channel(DENTIST)
    assert slot_cache._ALL == hub_channels.AVAILABILITY_ALL  # no name of the client's interface

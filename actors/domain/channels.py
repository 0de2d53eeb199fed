"""Channels: named, ordered streams of events, and who may join them (criteria 7.2, 7.3).

Channel names are built by these functions only, and names that clients send are read by
:func:`parse_channel`. :func:`may_join_all` decides which channels are open to a principal;
:class:`~actors.services.channel_access.ChannelAccess` authorises every subscription.
"""

from collections.abc import Iterable
from functools import lru_cache
from typing import NewType

from actors.domain.ids import DentistId, PatientId, PracticeId, ProfileId, parse_id
from actors.domain.principal import Principal, Role

Channel = NewType("Channel", str)

AVAILABILITY_ALL = Channel("availability:all")
HUB_STATUS = Channel("hub:status")

DENTIST_PREFIX = "appointments:dentist:"
PATIENT_PREFIX = "appointments:patient:"
AVAILABILITY_ROOT = "availability:"
AVAILABILITY_PREFIX = "availability:dentist:"
USER_PROFILE_PREFIX = "profiles:user:"
DENTIST_PROFILES_PREFIX = "profiles:dentist:"
PRACTICE_PREFIX = "practices:"
"""Each is followed by the id of a dentist, patient, person or practice."""

_NAMESPACES = ("appointments:", "availability:", "profiles:", "practices:", "hub:")


@lru_cache(maxsize=4_096)
def parse_channel(name: str) -> Channel:
    """The channel of a name that a client sent: an id at its end may be written in capitals."""
    kind, _, subject = name.rpartition(":")
    subject_id = parse_id(subject)
    return Channel(name if subject_id is None else f"{kind}:{subject_id}")


def dentist_channel(dentist_id: DentistId) -> Channel:
    return Channel(DENTIST_PREFIX + dentist_id)


def patient_channel(patient_id: PatientId) -> Channel:
    return Channel(PATIENT_PREFIX + patient_id)


def availability_channel(dentist_id: DentistId) -> Channel:
    return Channel(AVAILABILITY_PREFIX + dentist_id)


def user_profile_channel(user_id: ProfileId) -> Channel:
    return Channel(USER_PROFILE_PREFIX + user_id)


def dentist_profiles_channel(dentist_id: DentistId) -> Channel:
    return Channel(DENTIST_PROFILES_PREFIX + dentist_id)


def practice_channel(practice_id: PracticeId) -> Channel:
    return Channel(PRACTICE_PREFIX + practice_id)


def own_channels(principal: Principal) -> tuple[Channel, ...]:
    """The channels that a client joins by connecting."""
    if principal.role is Role.DENTIST and principal.person:
        me = DentistId(principal.person)
        return (
            dentist_channel(me),
            user_profile_channel(me),
            dentist_profiles_channel(me),
            availability_channel(me),
            *_of_practice(principal),
            AVAILABILITY_ALL,
        )
    if principal.role is Role.STAFF and principal.person:
        return (
            user_profile_channel(principal.person),
            *_of_practice(principal),
            *map(dentist_channel, principal.calendars),
            *map(availability_channel, principal.calendars),
            AVAILABILITY_ALL,
        )
    if principal.role is Role.PATIENT and principal.person:
        me_too = PatientId(principal.person)
        return patient_channel(me_too), user_profile_channel(me_too), AVAILABILITY_ALL
    return (AVAILABILITY_ALL,)


def _of_practice(principal: Principal) -> tuple[Channel, ...]:
    return (practice_channel(principal.practice),) if principal.practice else ()


def is_public(channel: Channel) -> bool:
    """Whether the channel carries only times, and is open to every signed-in client."""
    return channel == AVAILABILITY_ALL or (
        channel.startswith(AVAILABILITY_PREFIX) and len(channel) > len(AVAILABILITY_PREFIX)
    )


def dentist_of_availability(channel: Channel) -> str | None:
    """The text that names the dentist of free times; ``None`` for other channels."""
    if not channel.startswith(AVAILABILITY_PREFIX):
        return None
    return channel.removeprefix(AVAILABILITY_PREFIX)


def is_reserved(name: str) -> bool:
    """Whether a name is in a namespace of the hub's channels, existing or not."""
    return name.startswith(_NAMESPACES)


def may_join_all(principal: Principal, channels: Iterable[Channel]) -> bool:
    """Whether the principal may join: own channels, all availability, figures for admins."""
    own = set(own_channels(principal))
    if principal.role is Role.ADMIN:
        own.add(HUB_STATUS)
    return all(channel in own or is_public(channel) for channel in channels)


def may_join(principal: Principal, channel: Channel) -> bool:
    return may_join_all(principal, (channel,))

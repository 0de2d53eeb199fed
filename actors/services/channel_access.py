"""Who may subscribe to which channels, and whether the channels have a subject."""

from collections.abc import Iterable

from actors.domain.channels import Channel, dentist_of_availability, may_join_all
from actors.domain.ids import ProfileId, parse_id
from actors.domain.principal import Principal
from actors.domain.refusals import Forbidden, NotFound
from actors.services.directory import Directory


class ChannelAccess:
    """The one authorization of subscriptions, in every protocol."""

    def __init__(self, directory: Directory) -> None:
        self._directory = directory

    async def check(self, principal: Principal, channels: Iterable[Channel]) -> None:
        """Raise Forbidden for a channel of others, NotFound for one of no dentist.

        The channels of people are forbidden to others whether the person exists or not. Dentists
        are known to every caller; the directory keeps them in memory.
        """
        channels = list(channels)
        if not may_join_all(principal, channels):
            raise Forbidden("You may not join this channel")
        for channel in channels:
            dentist = dentist_of_availability(channel)
            if dentist is None:
                continue
            if (dentist_id := parse_id(dentist)) is None:
                raise NotFound("dentist")
            await self._directory.dentist(ProfileId(dentist_id))

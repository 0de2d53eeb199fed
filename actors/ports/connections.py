"""The live connections of people, at every node."""

from typing import Protocol

from actors.domain.ids import ProfileId


class Connections(Protocol):
    """The live connections of everybody, whatever they speak, at every node of the hub."""

    async def end(self, person: ProfileId) -> None:
        """End all there are now of a person, those of chatbots that act for them included.

        Raises :class:`~actors.domain.refusals.Unavailable` when a node did not answer: then
        those of all other nodes have been ended, and asking again does no harm.
        """
        ...

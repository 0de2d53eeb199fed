"""Ending the live connections of a person."""

from typing import Protocol

from actors.domain.ids import ProfileId


class Connections(Protocol):
    """All live connections, of every protocol and at every node of the hub."""

    async def end(self, person: ProfileId) -> None:
        """End the connections of a person, and those of chatbots that act for them.

        Raises :class:`~actors.domain.refusals.Unavailable` if a node did not answer. The
        connections at all other nodes have been ended then, and the call can be repeated.
        """
        ...

"""Authors: who changed something, as histories and events name them."""

from actors.domain.channels import AVAILABILITY_ROOT, DENTIST_PREFIX, Channel
from actors.domain.ids import ProfileId
from actors.domain.principal import Role
from actors.domain.values import value


@value
class Author:
    """Who changed something: a person, or the hub itself."""

    role: Role
    id: ProfileId | None = None
    """``None``, like ``name``, for the hub, and for someone whom the reader does not see."""
    name: str | None = None


def author_in(channel: Channel, author: Author) -> Author | None:
    """The author as events of the channel show them.

    A calendar's channel names them: those who read it work with the dentist. Other channels
    show the role only, and those that everyone reads do not even show that. The view
    ``realtime_events`` hides the same.
    """
    if channel.startswith(DENTIST_PREFIX):
        return author
    return None if channel.startswith(AVAILABILITY_ROOT) else Author(role=author.role)

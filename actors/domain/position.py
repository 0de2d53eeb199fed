"""Positions: how far a channel has been read, sent or committed."""

from typing import NamedTuple


class Position(NamedTuple):
    """A position in a channel; it includes every event up to ``offset`` of ``epoch``.

    The offsets of a channel count 1, 2, 3 ... without a gap. A new epoch begins when the
    history was replaced, for instance by a restored backup: positions of an older epoch
    then mean nothing any more. Positions of one channel are ordered, in commit order.
    """

    epoch: int
    offset: int

    def __str__(self) -> str:
        """As clients write it: ``1.42``."""
        return f"{self.epoch}.{self.offset}"

    @property
    def next(self) -> "Position":
        """The position of the event that follows in the same epoch."""
        return Position(self.epoch, self.offset + 1)

    def before(self, events: int) -> "Position":
        """The position so many events earlier in the same epoch."""
        return Position(self.epoch, self.offset - events)

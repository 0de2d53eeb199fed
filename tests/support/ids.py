"""Sequential ids in the form of UUIDs, the same in every run."""

from itertools import count


class SerialIds:
    def __init__(self, start: int = 1) -> None:
        self._next = count(start)

    def __call__(self) -> str:
        return f"00000000-0000-7000-8000-{next(self._next):012x}"

"""Which worker runs a test, and what each leaves behind: nothing that another could log into."""

import gc
import logging
from collections.abc import Iterator

import pytest
import structlog
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

IN_ONE_WORKER = ("tests/browser/", "tests/faults/", "tests/acceptance/test_socketio_conformance.py")
"""Several hubs or a browser a test, or a fixture that takes long: two side by side would take
each other's time, and both wait at moments when one of the others could use the machine."""


class _Lanes(LoadScopeScheduling):  # type: ignore[misc]  # it ships no types
    def _split_scope(self, nodeid: str) -> str:
        """What goes to a worker as a whole. By path, not by ``xdist_group``, which has no effect
        with pytest 9.2 (pytest-xdist 3.8, its issue 1386)."""
        return next(filter(nodeid.startswith, IN_ONE_WORKER), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _Lanes:
    return _Lanes(config, log)


@pytest.fixture(autouse=True, scope="module")
def no_long_pauses() -> None:
    """What was made by now lasts as long as the run: to look for garbage among it stops every
    loop of this process for seconds, and most limits here are shorter."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Whoever configures the hub's logs (commands do) does it for the whole process."""
    yield
    structlog.reset_defaults()
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if type(handler) is logging.StreamHandler:  # pytest's own are kinds of it
            root.removeHandler(handler)

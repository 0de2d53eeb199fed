"""Assigns tests to workers, restores the loggers, and takes the clock out of properties."""

import gc
import logging
from collections.abc import Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

IN_ONE_WORKER = ("tests/browser/", "tests/faults/", "tests/acceptance/test_socketio_conformance.py")
"""These tests run one after the other: each uses several hubs, a browser or a slow fixture,
and two of them side by side would exceed their time limits."""

# A busy machine is no reason for a property to fail.
settings.register_profile("no-clock", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("no-clock")


class _OneWorkerScheduling(LoadScopeScheduling):  # type: ignore[misc]  # it ships no types
    def _split_scope(self, nodeid: str) -> str:
        """The group of tests that one worker runs.

        ``xdist_group`` has no effect with pytest 9.2 (pytest-xdist 3.8, issue 1386).
        """
        return next(filter(nodeid.startswith, IN_ONE_WORKER), nodeid)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> _OneWorkerScheduling:
    return _OneWorkerScheduling(config, log)


@pytest.fixture(autouse=True, scope="module")
def no_long_pauses() -> None:
    """Exclude all present objects from garbage collection.

    They live as long as the run. Scanning them would stop every event loop of this process
    for seconds, and most time limits of the tests are shorter.
    """
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Undo the configuration of logs that a command made for the whole process."""
    yield
    structlog.reset_defaults()
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if type(handler) is logging.StreamHandler:  # pytest's own are subclasses of it
            root.removeHandler(handler)

"""What every test leaves behind: nothing that another one could log into."""

import gc
import logging
from collections.abc import Iterator

import pytest
import structlog


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

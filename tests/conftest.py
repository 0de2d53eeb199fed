"""What every test leaves behind: nothing that another one could log into."""

import logging
from collections.abc import Iterator

import pytest
import structlog


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Whoever configures the hub's logs (commands do) does it for the whole process."""
    yield
    structlog.reset_defaults()
    root = logging.getLogger()
    for handler in root.handlers[:]:
        if type(handler) is logging.StreamHandler:  # pytest's own are kinds of it
            root.removeHandler(handler)

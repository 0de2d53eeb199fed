"""The same founded clinic as in the acceptance tests."""

import pytest

from tests.support.logs import captured_logs
from tests.support.running import Template, make_template


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    with captured_logs():
        return make_template(tmp_path_factory.mktemp("template"))


@pytest.fixture(scope="session")
def postgres_template(tmp_path_factory: pytest.TempPathFactory) -> Template:
    with captured_logs():
        return make_template(tmp_path_factory.mktemp("template"), "postgres")

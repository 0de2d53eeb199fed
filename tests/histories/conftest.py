"""The founded clinics of the tests with faults, and their servers."""

from tests.faults.conftest import postgres_template, template, valkey

__all__ = ["postgres_template", "template", "valkey"]

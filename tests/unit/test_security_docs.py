"""``docs/security.md`` names every setting, and the defaults of those that bound something."""

import re
from pathlib import Path

from hub.config import Config
from hub.config_reader import settings_of

PAGE = (Path(__file__).parents[2] / "docs/security.md").read_text(encoding="utf-8")
SETTINGS = PAGE.partition("## What is bounded by which setting")[2].partition("\n## ")[0]
BOUND = dict(re.findall(r"^\| `([a-z_.]+)` \| ([0-9.]+) \|", SETTINGS, re.MULTILINE))
NAMED = re.findall(r"`([a-z_]+\.[a-z_]+)`", SETTINGS)


def test_every_setting_is_listed_once() -> None:
    known = [f"{section}.{key}" for section, keys in settings_of(Config).items() for key in keys]
    assert sorted(NAMED) == sorted(known), "a new setting needs a line in docs/security.md"


def test_bounds_state_their_defaults() -> None:
    config = Config()
    for name, default in BOUND.items():
        section, _, key = name.partition(".")
        assert float(default) == getattr(getattr(config, section), key), name


def test_numbers_are_among_the_bounds() -> None:
    """A number that bounds nothing is one of these."""
    others = {"server.port", "cluster.port", "mail.port", "realtime.compress_from_bytes"}
    others |= {"realtime.position_interval_s", "messages.confirm_from_hours"}
    numbers = {
        setting.name
        for keys in settings_of(Config).values()
        for setting in keys.values()
        if setting.type in (int, float)
    }
    assert numbers - others == set(BOUND)

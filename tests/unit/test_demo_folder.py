"""The demo's folder is private, kept between starts, and never a real clinic's."""

from dataclasses import replace
from pathlib import Path

import orjson
import pytest

from api.auth import AuthSettings
from api.http.settings import ServerSettings
from hub.config import Config
from hub.config_reader import ConfigError
from hub.demo.folder import DemoFolder, refuse_real_clinic
from store.settings import DatabaseSettings
from store.sql.lockfile import DatabaseInUse

SECRET = "a-secret-of-thirty-two-bytes-or-more"


def secret_of(folder: DemoFolder) -> str:
    return folder.config(Config()).auth.secret


@pytest.mark.parametrize(
    "config",
    [
        Config(server=ServerSettings(environment="production")),
        Config(database=DatabaseSettings(url="sqlite:///clinic.db")),
        Config(auth=AuthSettings(secret=SECRET)),
        Config(auth=AuthSettings(jwks="keys.json")),
    ],
    ids=["production", "own database", "own secret", "own keys"],
)
def test_the_demo_refuses_the_settings_of_a_real_clinic(config: Config) -> None:
    with pytest.raises(ConfigError, match="The demo"):
        refuse_real_clinic(config)


def test_the_demo_accepts_the_defaults() -> None:
    refuse_real_clinic(Config())


def test_a_database_that_the_demo_did_not_make_is_refused(tmp_path: Path) -> None:
    (tmp_path / "chairside.db").write_bytes(b"real")
    with (
        pytest.raises(ConfigError, match="was not made by the demo"),
        DemoFolder.open(tmp_path, fresh=True),
    ):
        pass
    assert (tmp_path / "chairside.db").read_bytes() == b"real"


def test_only_the_owner_can_read_secret_and_links(tmp_path: Path) -> None:
    with DemoFolder.open(tmp_path / "new", fresh=False) as folder:
        folder.write_links({"url": "http://127.0.0.1"})
        assert orjson.loads(folder.links.read_bytes()) == {"url": "http://127.0.0.1"}
    for name in ("secret", "links.json"):
        assert (tmp_path / "new" / name).stat().st_mode & 0o777 == 0o600


def test_the_demo_replaces_database_and_secret_of_the_settings(tmp_path: Path) -> None:
    base = Config(
        reservations=replace(Config().reservations, hold_seconds=2.0),
        server=replace(Config().server, public_url="http://localhost:8080"),
    )
    with DemoFolder.open(tmp_path, fresh=False) as folder:
        config = folder.config(base)
    assert (config.sign_in.enabled, config.sign_in.email_codes) == (True, True)
    assert config.sign_in.registration
    assert config.reservations.hold_seconds == 2.0
    assert config.server.environment == "demo"
    assert config.database.url == f"sqlite:///{tmp_path / 'chairside.db'}"
    assert len(config.auth.secret) >= 32


def test_data_and_secret_are_kept_between_starts(tmp_path: Path) -> None:
    with DemoFolder.open(tmp_path, fresh=False) as folder:
        secret = secret_of(folder)
        (tmp_path / "seeding.db").write_bytes(b"filled")
        assert not folder.is_seeded
        folder.seeded()
    with DemoFolder.open(tmp_path, fresh=False) as folder:
        assert folder.is_seeded
        assert secret_of(folder) == secret
    assert (tmp_path / "chairside.db").read_bytes() == b"filled"


def test_a_fresh_start_deletes_data_and_secret(tmp_path: Path) -> None:
    with DemoFolder.open(tmp_path, fresh=False) as folder:
        secret = secret_of(folder)
    for name in ("chairside.db", "chairside.db-wal", "chairside.db-shm"):
        (tmp_path / name).write_bytes(b"old")
    with DemoFolder.open(tmp_path, fresh=True) as folder:
        assert not folder.is_seeded
        assert secret_of(folder) != secret
    assert not list(tmp_path.glob("*-wal"))


def test_an_interrupted_seeding_is_repeated(tmp_path: Path) -> None:
    (tmp_path / "seeding.db").write_bytes(b"half")
    with DemoFolder.open(tmp_path, fresh=False) as folder:
        assert not folder.is_seeded
    assert not (tmp_path / "seeding.db").exists()


def test_two_demos_cannot_share_a_folder(tmp_path: Path) -> None:
    with (
        DemoFolder.open(tmp_path, fresh=False),
        pytest.raises(DatabaseInUse, match="pid"),
        DemoFolder.open(tmp_path, fresh=True),
    ):
        pass


def test_an_unusable_folder_is_named_in_the_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(ConfigError, match="Cannot use the folder"),
        DemoFolder.open(tmp_path / "file", fresh=False),
    ):
        pass


def test_the_demo_writes_mails_to_its_folder_and_fresh_deletes_them(tmp_path: Path) -> None:
    with DemoFolder.open(tmp_path, fresh=False) as folder:
        config = folder.config(Config())
        assert (config.messages.enabled, config.mail.folder) == (True, str(tmp_path / "mail"))
        assert not folder.seeding_config(Config()).messages.enabled, "seeding sends nothing"
        folder.mails.mkdir()
        (folder.mails / "old.eml").write_bytes(b"")
    with DemoFolder.open(tmp_path, fresh=True) as folder:
        assert list(folder.mails.iterdir()) == []

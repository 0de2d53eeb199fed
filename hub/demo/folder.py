"""The folder of the demo: its database, its secret and its links."""

import os
import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import orjson

from actors.services.sign_in_settings import SignInSettings
from api.auth import AuthSettings
from hub.config import Config
from hub.config_reader import ConfigError
from hub.messages.settings import MailSettings
from store.settings import DatabaseSettings
from store.sql.lockfile import exclusive

_DATABASE = "chairside.db"
_SEEDING = "seeding.db"
_SQLITE_FILES = ("", "-wal", "-shm")
_OWNER_ONLY = 0o600
_SECRET_BYTES = 48
_SENDER = "demo@practice.example"


def refuse_real_clinic(config: Config) -> None:
    """Raise :class:`ConfigError` if the settings belong to a real clinic.

    The demo makes tokens for every role, also for an admin.
    """
    if config.server.environment == "production":
        raise ConfigError(
            "The demo does not run with a production configuration (server.environment)"
        )
    if config.database.url != DatabaseSettings().url:
        raise ConfigError(
            "The demo has its own database, but the settings name another one (database.url):"
            " run it without them, and choose its folder with --data"
        )
    if config.auth.secret or config.auth.jwks:
        raise ConfigError(
            "The demo makes its own secret, but the settings contain a real one"
            " (auth.secret or auth.jwks): run it without them"
        )


def demo_sign_in(base: Config) -> SignInSettings:
    """Everybody but the admin has codes, which the page ``/mail`` shows; patients register."""
    return replace(
        base.sign_in,
        enabled=True,
        email_codes=True,
        registration=True,
        passkey_roles=("admin",),
    )


@dataclass(frozen=True, slots=True)
class DemoFolder:
    path: Path

    @property
    def links(self) -> Path:
        return self.path / "links.json"

    @property
    def mails(self) -> Path:
        """Where the mails are that would have been sent."""
        return self.path / "mail"

    @property
    def is_seeded(self) -> bool:
        return (self.path / _DATABASE).exists()

    @classmethod
    @contextmanager
    def open(cls, path: Path, *, fresh: bool) -> Iterator[Self]:
        """The folder with its secret, locked until the block ends.

        ``fresh`` deletes what it contains. Raises DatabaseInUse while another demo uses it, and
        :class:`ConfigError` if it contains a database that no demo made.
        """
        folder = cls(path)
        with ExitStack() as stack:
            try:
                path.mkdir(parents=True, exist_ok=True)
                stack.enter_context(exclusive(path / "demo"))
                folder._prepare(fresh=fresh)
            except OSError as error:
                raise ConfigError(f"Cannot use the folder {path}: {error.strerror}") from None
            yield folder

    def _prepare(self, *, fresh: bool) -> None:
        if self.is_seeded and not self._secret.exists():
            raise ConfigError(
                f"{self.path / _DATABASE} was not made by the demo; choose another --data"
            )
        if fresh:
            with exclusive(self.path / _DATABASE):
                self._delete(_DATABASE)
            self._secret.unlink(missing_ok=True)
            for mail in self.mails.glob("*.eml"):
                mail.unlink()
        self._delete(_SEEDING)  # of an interrupted start
        if not self._secret.exists():
            _write_private(self._secret, secrets.token_urlsafe(_SECRET_BYTES).encode())

    def config(self, base: Config) -> Config:
        """``base`` with the database, the secret, the mails and the sign-in of the demo.

        People sign in at ``server.public_url``, if it is set.
        """
        mail = MailSettings(folder=str(self.mails.absolute()), sender=_SENDER)
        return replace(
            self._with_database(base, _DATABASE),
            messages=replace(base.messages, enabled=True),
            mail=mail,
            sign_in=demo_sign_in(base) if base.server.public_url else base.sign_in,
        )

    def seeding_config(self, base: Config) -> Config:
        """The same, with the database that is being filled."""
        return self._with_database(base, _SEEDING)

    def seeded(self) -> None:
        """The database is filled and closed: use it from now on."""
        assert not (self.path / f"{_SEEDING}-wal").exists(), "a closed database is one file"
        (self.path / _SEEDING).rename(self.path / _DATABASE)
        (self.path / f"{_SEEDING}.lock").unlink(missing_ok=True)

    def write_links(self, links: dict[str, Any]) -> None:
        _write_private(self.links, orjson.dumps(links, option=orjson.OPT_INDENT_2))

    @property
    def _secret(self) -> Path:
        return self.path / "secret"

    def _with_database(self, base: Config, name: str) -> Config:
        return replace(
            base,
            server=replace(base.server, environment="demo"),
            database=replace(base.database, url=f"sqlite:///{(self.path / name).absolute()}"),
            auth=AuthSettings(secret=self._secret.read_text()),
            chatbot=replace(base.chatbot, consent="assumed"),
            practice=replace(base.practice, require_contact=True),
        )

    def _delete(self, name: str) -> None:
        for suffix in _SQLITE_FILES:
            (self.path / f"{name}{suffix}").unlink(missing_ok=True)


def _write_private(path: Path, content: bytes) -> None:
    """Write the file as a whole, readable by its owner only: it contains tokens."""
    draft = path.with_name(f".{path.name}")
    draft.unlink(missing_ok=True)
    with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "wb") as file:
        file.write(content)
    draft.replace(path)

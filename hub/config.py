"""The configuration of a hub: the settings of its parts, one section for each.

Defaults and bounds stand in the classes of the parts; ``config.toml`` explains each setting,
and a test compares the two. A variable ``CHAIRSIDE_<SECTION>_<KEY>`` overrides the file. An
empty text means "not set".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from actors.calendar.settings import ActorSettings, ReservationSettings
from actors.relay.settings import RelaySettings
from actors.services.chatbot_settings import ChatbotSettings
from actors.services.practice_settings import PracticeSettings
from actors.services.sign_in_settings import SignInSettings
from api.auth import MIN_SECRET_BYTES, AuthSettings
from api.http.settings import ServerSettings
from api.realtime.rooms.settings import RealtimeSettings
from api.settings import ApiSettings
from api.sign_in.openid_settings import OpenIdSettings
from hub.chat import ChatSettings
from hub.cluster.settings import ClusterSettings, RedisSettings
from hub.config_reader import ConfigError, read_config, read_toml
from hub.messages.settings import MailSettings, MessageSettings, SmsSettings
from hub.telemetry.logging import LoggingSettings
from hub.webhooks.settings import WebhookSettings
from store.settings import DatabaseSettings, RetentionSettings
from store.sql.url import UnusableDatabaseUrl, is_postgresql, parse_url


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    """All sections. Raises :class:`ConfigError` if two settings do not go together."""

    server: ServerSettings = field(default_factory=ServerSettings)
    practice: PracticeSettings = field(default_factory=PracticeSettings)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    auth: AuthSettings = field(default_factory=AuthSettings)
    sign_in: SignInSettings = field(default_factory=SignInSettings)
    openid: OpenIdSettings = field(default_factory=OpenIdSettings)
    api: ApiSettings = field(default_factory=ApiSettings)
    realtime: RealtimeSettings = field(default_factory=RealtimeSettings)
    webhooks: WebhookSettings = field(default_factory=WebhookSettings)
    messages: MessageSettings = field(default_factory=MessageSettings)
    mail: MailSettings = field(default_factory=MailSettings)
    sms: SmsSettings = field(default_factory=SmsSettings)
    chatbot: ChatbotSettings = field(default_factory=ChatbotSettings)
    chat: ChatSettings = field(default_factory=ChatSettings)
    reservations: ReservationSettings = field(default_factory=ReservationSettings)
    actors: ActorSettings = field(default_factory=ActorSettings)
    relay: RelaySettings = field(default_factory=RelaySettings)
    redis: RedisSettings = field(default_factory=RedisSettings)
    cluster: ClusterSettings = field(default_factory=ClusterSettings)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    logging: LoggingSettings = field(default_factory=LoggingSettings)

    def __post_init__(self) -> None:
        _check_database(self.database)
        if self.messages.enabled and not (self.mail.is_set or self.sms.is_set):
            raise ConfigError(
                "messages.enabled needs a way to send: set mail.server and mail.sender,"
                " or sms.account, sms.token and sms.sender"
            )
        if self.sms.is_set and not self.messages.sms_regions:
            raise ConfigError(
                "sms.account needs messages.sms_regions, the countries to whose numbers text"
                ' messages are sent, e.g. ["AT", "DE"]'
            )
        codes = self.sign_in.enabled and self.sign_in.email_codes
        if codes and not (self.messages.enabled and self.mail.is_set):
            raise ConfigError("sign_in.email_codes needs messages.enabled and [mail]")
        if self.sign_in.enabled and not self.server.public_url:
            raise ConfigError(
                "sign_in.enabled needs server.public_url, the address of the hub for browsers,"
                ' such as "https://clinic.example"'
            )
        if self.openid.issuer and not self.sign_in.enabled:
            raise ConfigError("openid.issuer needs sign_in.enabled and server.public_url")
        if self.redis.url and not is_postgresql(parse_url(self.database.url)):
            raise ConfigError(
                "redis.url makes several processes one hub, on one PostgreSQL: set database.url"
                " to postgresql://…, or leave redis.url empty"
            )

    @property
    def is_clustered(self) -> bool:
        """Whether this process is one of several that are one hub."""
        return bool(self.redis.url)

    @property
    def adopts_by_email(self) -> bool:
        """Whether tokens adopt records by e-mail address: unless people sign in here, or as set."""
        adopts = self.auth.adopt_by_email
        return not self.sign_in.enabled if adopts == "" else adopts

    def require_keys(self) -> None:
        """Raise :class:`ConfigError` unless the hub can verify tokens."""
        if not (self.auth.has_keys or self.sign_in.enabled):
            raise ConfigError(
                "No key to verify tokens with: set auth.secret (CHAIRSIDE_AUTH_SECRET,"
                f" {MIN_SECRET_BYTES} bytes or more) or auth.jwks (a file or an https address)"
            )


def load_config(path: Path | None, environ: Mapping[str, str]) -> Config:
    """Defaults, then the TOML file at ``path`` (``None``: no file), then ``environ``.

    Raises :class:`ConfigError`, a sentence that names the setting and what is expected.
    """
    tables = read_toml(path) if path else {}
    return read_config(Config, tables, environ, file=str(path))


def _check_database(database: DatabaseSettings) -> None:
    try:
        on_postgresql = is_postgresql(parse_url(database.url))
    except UnusableDatabaseUrl as error:
        raise ConfigError(f"database.url: {error}") from None
    if not database.migrate_url:
        return
    try:
        same = is_postgresql(parse_url(database.migrate_url)) and on_postgresql
    except UnusableDatabaseUrl as error:
        raise ConfigError(f"database.migrate_url: {error}") from None
    if not same:
        raise ConfigError(
            "database.migrate_url is another login to the PostgreSQL database of database.url;"
            " a SQLite file needs none"
        )

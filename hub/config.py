"""Every setting of the hub, its default and its bounds.

``config.toml`` says what each one means; a test keeps the two in step. A variable
``CHAIRSIDE_<SECTION>_<KEY>`` overrides the file. An empty text means "not set".
"""

import ipaddress
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from api.auth import MIN_SECRET_BYTES, AuthSettings
from hub.config_reader import Between, ConfigError, Secret, read_config, read_toml
from store.settings import DatabaseSettings, RetentionSettings
from store.sql.url import UnusableDatabaseUrl, is_postgresql, parse_url

Count = Annotated[int, Between(1)]
Positive = Annotated[float, Between(0.001)]
NotNegative = Annotated[float, Between(0)]

_ORIGIN = re.compile(r"https?://(\[[0-9a-f:]+\]|[A-Za-z0-9.-]+)(:\d{1,5})?", re.ASCII)


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    environment: Literal["development", "production", "demo"] = "development"
    host: str = "127.0.0.1"
    port: Annotated[int, Between(0, 65_535)] = 8080
    shutdown_grace_s: NotNegative = 10.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Auth:
    secret: Annotated[str, Secret()] = field(default="", repr=False)
    jwks: str = ""
    jwks_refresh_s: Positive = 300.0
    algorithms: tuple[str, ...] = ()
    audience: str = ""
    issuer: str = ""
    role_claim: str = "role"
    leeway_s: Annotated[float, Between(0, 300)] = 0.0

    def settings(self) -> AuthSettings:
        """What the verifier needs; raises ValueError if it cannot be meant."""
        return AuthSettings(**asdict(self))


@dataclass(frozen=True, kw_only=True, slots=True)
class Api:
    max_body_bytes: Annotated[int, Between(1024)] = 262_144
    cors_origins: tuple[str, ...] = ()
    frame_origins: tuple[str, ...] = ()
    rate_per_s: Positive = 50.0
    rate_burst: Count = 200
    metrics: Literal["public", "admin", "off"] = "admin"


@dataclass(frozen=True, kw_only=True, slots=True)
class Realtime:
    ping_interval_s: Positive = 25.0
    ping_timeout_s: Positive = 20.0
    connect_timeout_s: Positive = 45.0
    max_message_bytes: Annotated[int, Between(1024)] = 262_144
    max_buffer_bytes: Annotated[int, Between(1024)] = 1_048_576
    compress_from_bytes: Annotated[int, Between(0)] = 0
    position_interval_s: Positive = 10.0
    expiring_notice_s: NotNegative = 60.0
    idle_timeout_s: Positive = 90.0
    supabase_keys: tuple[str, ...] = ()
    stream_heartbeat_s: Positive = 10.0
    stream_write_timeout_s: Positive = 30.0
    streams_per_user: Count = 100


@dataclass(frozen=True, kw_only=True, slots=True)
class Webhooks:
    allowed_networks: tuple[str, ...] = ()
    allow_http: bool = False
    timeout_s: Positive = 10.0
    concurrency: Count = 50
    concurrency_per_target: Count = 4
    retry_first_s: Positive = 5.0
    retry_longest_s: Positive = 14_400.0
    give_up_after_hours: Positive = 24.0
    old_secret_hours: NotNegative = 24.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Chat:
    state_secret: Annotated[str, Secret()] = field(default="", repr=False)
    model_url: str = ""
    model: str = ""
    model_key: Annotated[str, Secret()] = field(default="", repr=False)
    model_timeout_s: Positive = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Reservations:
    hold_seconds: Positive = 300.0
    max_per_patient: Count = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Actors:
    mailbox_size: Count = 256
    batch_size: Count = 64
    command_deadline_ms: Count = 5_000
    passivate_after_minutes: Positive = 15.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Relay:
    retries: Annotated[int, Between(0, 10)] = 3
    backoff_ms: Count = 100
    attempt_timeout_ms: Count = 200


@dataclass(frozen=True, kw_only=True, slots=True)
class Redis:
    url: Annotated[str, Secret()] = field(default="", repr=False)  # may hold a password
    stream: str = "chairside:events"
    keep_entries: Annotated[int, Between(100)] = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Cluster:
    name: str = ""
    host: str = ""
    port: Annotated[int, Between(0, 65_535)] = 0
    advertise: str = ""
    key: Annotated[str, Secret()] = field(default="", repr=False)
    lease_s: Annotated[float, Between(1, 60)] = 6.0
    renew_s: Annotated[float, Between(0.1, 20)] = 2.0
    repair_s: Annotated[float, Between(0.1, 60)] = 2.0
    drain_s: NotNegative = 3.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Logging:
    level: Literal["debug", "info", "warning", "error"] = "info"
    format: Literal["auto", "json", "console"] = "auto"


@dataclass(frozen=True, kw_only=True, slots=True)
class Config:
    server: Server = field(default_factory=Server)
    database: DatabaseSettings = field(default_factory=DatabaseSettings)
    auth: Auth = field(default_factory=Auth)
    api: Api = field(default_factory=Api)
    realtime: Realtime = field(default_factory=Realtime)
    webhooks: Webhooks = field(default_factory=Webhooks)
    chat: Chat = field(default_factory=Chat)
    reservations: Reservations = field(default_factory=Reservations)
    actors: Actors = field(default_factory=Actors)
    relay: Relay = field(default_factory=Relay)
    redis: Redis = field(default_factory=Redis)
    cluster: Cluster = field(default_factory=Cluster)
    retention: RetentionSettings = field(default_factory=RetentionSettings)
    logging: Logging = field(default_factory=Logging)

    def __post_init__(self) -> None:
        _check_api(self.api)
        _check_auth(self.auth)
        _check_database(self.database)
        _check_realtime(self.realtime)
        _check_chat(self.chat)
        _check_cluster(self)
        _check_webhooks(self.webhooks)

    @property
    def is_clustered(self) -> bool:
        """Whether this process is one of several that are one hub."""
        return bool(self.redis.url)

    def require_keys(self) -> None:
        """Raise :class:`ConfigError` unless the hub can verify anybody's token."""
        if not self.auth.secret and not self.auth.jwks:
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


def _check_api(api: Api) -> None:
    """They become part of a header, so nothing but an origin is let in."""
    for origin in api.frame_origins:
        if not _ORIGIN.fullmatch(origin):
            raise ConfigError(
                f'api.frame_origins: "{origin}" is no origin; write it like "https://clinic.example"'
            )


def _check_auth(auth: Auth) -> None:
    if not all(auth.role_claim.split(".")):
        raise ConfigError(
            'auth.role_claim must be a path such as "role" or "app_metadata.role",'
            f' not "{auth.role_claim}"'
        )
    if auth.secret or auth.jwks:
        try:
            auth.settings()
        except ValueError as error:
            raise ConfigError(f"auth: {error}") from None


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


def _check_realtime(realtime: Realtime) -> None:
    """What a client may say must fit into what may wait for it: answers show it again."""
    if realtime.max_buffer_bytes < realtime.max_message_bytes:
        raise ConfigError(
            "realtime.max_buffer_bytes must be realtime.max_message_bytes or more"
            f" ({realtime.max_message_bytes}), not {realtime.max_buffer_bytes}"
        )


def _check_chat(chat: Chat) -> None:
    if chat.model_url and not chat.model_url.startswith(("http://", "https://")):
        raise ConfigError(
            'chat.model_url must be an address such as "https://models.example/v1",'
            f' not "{chat.model_url}"'
        )
    if chat.model_url and not chat.model:
        raise ConfigError("chat.model_url needs chat.model, the name of the model to ask")
    if chat.state_secret and len(chat.state_secret.encode()) < MIN_SECRET_BYTES:
        raise ConfigError(f"chat.state_secret must have {MIN_SECRET_BYTES} bytes or more")


def _check_webhooks(webhooks: Webhooks) -> None:
    for text in webhooks.allowed_networks:
        try:
            ipaddress.ip_network(text)
        except ValueError:
            raise ConfigError(
                f'webhooks.allowed_networks must hold networks such as "10.1.0.0/16", not "{text}"'
            ) from None


def _check_cluster(config: Config) -> None:
    """Two lines make a cluster: PostgreSQL, which arbitrates, and Redis."""
    cluster, url = config.cluster, config.redis.url
    if url and not url.startswith(("redis://", "rediss://", "unix://")):
        raise ConfigError("redis.url begins with redis:// (or rediss://, unix://)")
    if url and not is_postgresql(parse_url(config.database.url)):
        raise ConfigError(
            "redis.url makes several processes one hub, on one PostgreSQL: set database.url"
            " to postgresql://…, or leave redis.url empty"
        )
    if cluster.lease_s < 2 * cluster.renew_s:
        raise ConfigError(
            "cluster.lease_s must be twice cluster.renew_s or more"
            f" ({2 * cluster.renew_s:g}), not {cluster.lease_s:g}: one renewal may fail"
        )
    if cluster.key and len(cluster.key.encode()) < MIN_SECRET_BYTES:
        raise ConfigError(f"cluster.key must be {MIN_SECRET_BYTES} bytes or more")
    if cluster.advertise and not cluster.advertise.startswith(("http://", "https://")):
        raise ConfigError("cluster.advertise is an address such as http://10.0.0.7:8090")

"""Settings are strict: an invalid one is refused, and the message names its place."""

import tomllib
from dataclasses import asdict, fields
from pathlib import Path

import pytest

from api.auth import AuthSettings
from hub.cli import patient_access
from hub.config import Config, load_config
from hub.config_reader import OF_COMMANDS, ConfigError, settings_of

ROOT = Path(__file__).parents[2]
SECRET = "a-secret-of-thirty-two-bytes-or-more"


def file_with(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "hub.toml"
    path.write_text(text)
    return path


def refusal(path: Path | None, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(ConfigError) as refused:
        load_config(path, environ or {})
    return str(refused.value)


def test_config_toml_lists_every_setting_with_its_default() -> None:
    written = tomllib.loads((ROOT / "config.toml").read_text(encoding="utf-8"))
    defaults = {
        section: {
            key: list(value) if isinstance(value, tuple) else value for key, value in keys.items()
        }
        for section, keys in asdict(Config()).items()
    }
    assert written == defaults
    assert {name: list(keys) for name, keys in written.items()} == {
        name: list(keys) for name, keys in defaults.items()
    }, "in the same order"


def test_config_toml_explains_every_setting() -> None:
    for line in (ROOT / "config.toml").read_text(encoding="utf-8").splitlines():
        if line and not line.startswith(("#", "[")):
            assert "  # " in line, f"no explanation: {line}"


def test_every_setting_has_a_default() -> None:
    assert load_config(None, {}) == Config()


def test_a_variable_overrides_the_file_and_the_file_a_default(tmp_path: Path) -> None:
    path = file_with(tmp_path, "[server]\nport = 9000\nhost = '0.0.0.0'\n")
    config = load_config(path, {"CHAIRSIDE_SERVER_PORT": "9001"})
    assert (config.server.port, config.server.host) == (9001, "0.0.0.0")  # noqa: S104  # not bound


def test_every_setting_has_its_variable() -> None:
    for section, keys in settings_of(Config).items():
        for key, setting in keys.items():
            assert setting.variable == f"CHAIRSIDE_{section}_{key}".upper()


@pytest.mark.parametrize(
    ("variable", "text", "section", "key", "value"),
    [
        ("CHAIRSIDE_API_CORS_ORIGINS", "https://a.example, https://b.example", "api",
         "cors_origins", ("https://a.example", "https://b.example")),
        ("CHAIRSIDE_API_CORS_ORIGINS", "", "api", "cors_origins", ()),
        ("CHAIRSIDE_RESERVATIONS_HOLD_SECONDS", "2", "reservations", "hold_seconds", 2.0),
        ("CHAIRSIDE_RESERVATIONS_HOLD_SECONDS", "0.5", "reservations", "hold_seconds", 0.5),
        ("CHAIRSIDE_LOGGING_FORMAT", "json", "logging", "format", "json"),
    ],
)  # fmt: skip
def test_a_variable_is_read_as_its_settings_type(
    variable: str, text: str, section: str, key: str, value: object
) -> None:
    config = load_config(None, {variable: text})
    assert getattr(getattr(config, section), key) == value


def test_a_whole_number_is_a_number_of_seconds_in_the_file(tmp_path: Path) -> None:
    config = load_config(file_with(tmp_path, "[reservations]\nhold_seconds = 60\n"), {})
    assert config.reservations.hold_seconds == 60.0


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[sever]\nport = 1\n", "unknown section [sever]; did you mean [server]?"),
        ("[server]\nprot = 1\n", "unknown setting server.prot; did you mean server.port?"),
        ("port = 1\n", "unknown section [port]; did you mean"),
        ("server = 1\n", "server must be a section: write [server] above its keys"),
        ("[server]\nport = '80'\n",
         'server.port must be a whole number from 0 to 65535, not "80"'),
        ("[server]\nport = 70000\n",
         "server.port must be a whole number from 0 to 65535, not 70000"),
        ("[server]\nport = true\n",
         "server.port must be a whole number from 0 to 65535, not true"),
        ("[reservations]\nhold_seconds = inf\n",
         "reservations.hold_seconds must be a number of 0.001 or more, not inf"),
        ("[reservations]\nhold_seconds = nan\n",
         "reservations.hold_seconds must be a number of 0.001 or more, not nan"),
        ("[logging]\nlevel = 'loud'\n",
         'logging.level must be one of "debug", "info", "warning", "error", not "loud"'),
        ("[api]\ncors_origins = 'https://a.example'\n",
         'api.cors_origins must be a list of texts, not "https://a.example"'),
        ("[api]\ncors_origins = [1]\n", "api.cors_origins must be a list of texts, not [1]"),
        ("[server\n", "is not valid TOML"),
    ],
)  # fmt: skip
def test_an_invalid_line_of_the_file_is_refused_with_its_place(
    tmp_path: Path, text: str, sentence: str
) -> None:
    path = file_with(tmp_path, text)
    message = refusal(path)
    assert sentence in message
    assert str(path) in message


@pytest.mark.parametrize(
    ("variable", "text", "sentence"),
    [
        ("CHAIRSIDE_SERVER_PORT", "http",
         'CHAIRSIDE_SERVER_PORT must be a whole number from 0 to 65535, not "http"'),
        ("CHAIRSIDE_SERVER_PROT", "1",
         "Unknown variable CHAIRSIDE_SERVER_PROT; did you mean CHAIRSIDE_SERVER_PORT?"),
        ("CHAIRSIDE_AUHT_SECRET", SECRET,
         "Unknown variable CHAIRSIDE_AUHT_SECRET; did you mean CHAIRSIDE_AUTH_SECRET?"),
    ],
)  # fmt: skip
def test_an_invalid_variable_is_refused_with_its_name(
    variable: str, text: str, sentence: str
) -> None:
    assert refusal(None, {variable: text}) == sentence


def test_variables_of_an_orchestrator_are_ignored() -> None:
    environ = {"CHAIRSIDE_PORT": "tcp://10.0.0.1:8080", "CHAIRSIDE_SERVICE_HOST": "10.0.0.1"}
    assert load_config(None, environ) == Config()


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    assert refusal(tmp_path / "none.toml").startswith(f"Cannot read {tmp_path / 'none.toml'}")


def test_a_secret_is_never_shown(tmp_path: Path) -> None:
    config = load_config(None, {"CHAIRSIDE_AUTH_SECRET": SECRET})
    assert SECRET not in repr(config)
    assert "12345" not in refusal(file_with(tmp_path, "[auth]\nsecret = 12345\n"))
    assert "too-short" not in refusal(None, {"CHAIRSIDE_AUTH_SECRET": "too-short"})


def test_a_short_secret_is_refused() -> None:
    assert "at least 32 bytes" in refusal(None, {"CHAIRSIDE_AUTH_SECRET": "x" * 31})


@pytest.mark.parametrize("name", ["none", "HS512", "hs256", "RS256"])
def test_an_algorithm_without_a_key_is_refused(name: str) -> None:
    environ = {"CHAIRSIDE_AUTH_SECRET": SECRET, "CHAIRSIDE_AUTH_ALGORITHMS": f"HS256,{name}"}
    assert refusal(None, environ) == f"auth: no key for {name}"


def test_the_allow_list_follows_from_the_keys_unless_it_is_set() -> None:
    assert AuthSettings(secret=SECRET).allowed_algorithms == ("HS256",)
    assert set(AuthSettings(jwks="keys.json").allowed_algorithms) == {"RS256", "ES256", "EdDSA"}
    both = AuthSettings(secret=SECRET, jwks="keys.json", algorithms=("ES256",))
    assert both.allowed_algorithms == ("ES256",)


@pytest.mark.parametrize("claim", ["", "app_metadata.", ".role"])
def test_the_role_claim_is_a_path(claim: str) -> None:
    assert "auth.role_claim must be a path" in refusal(None, {"CHAIRSIDE_AUTH_ROLE_CLAIM": claim})


def test_a_missing_key_is_reported_with_its_setting() -> None:
    with pytest.raises(ConfigError, match="CHAIRSIDE_AUTH_SECRET"):
        Config().require_keys()


def test_the_largest_message_must_fit_into_the_buffer() -> None:
    sizes = {"MESSAGE": "20000", "BUFFER": "19999"}
    environ = {f"CHAIRSIDE_REALTIME_MAX_{name}_BYTES": size for name, size in sizes.items()}
    assert refusal(None, environ) == (
        "realtime.max_buffer_bytes must be realtime.max_message_bytes or more (20000), not 19999"
    )


@pytest.mark.parametrize("url", ["chairside.db", "mysql://h/d", "sqlite://", "sqlite:///:memory:"])
def test_a_database_that_cannot_be_used_is_refused(url: str) -> None:
    assert refusal(None, {"CHAIRSIDE_DATABASE_URL": url}).startswith("database.url:")


@pytest.mark.parametrize("variable", ["CHAIRSIDE_DATABASE_URL", "CHAIRSIDE_DATABASE_MIGRATE_URL"])
def test_a_password_in_the_database_address_is_never_shown(variable: str) -> None:
    refused = refusal(None, {variable: "postgresql://hub:hunter2@db/chairside?ssl=yes"})
    assert refused.startswith("database.")
    assert "hunter2" not in refused
    assert "hunter2" not in repr(
        load_config(
            None,
            {
                "CHAIRSIDE_DATABASE_URL": "postgresql://hub:hunter2@db/chairside",
                "CHAIRSIDE_DATABASE_MIGRATE_URL": "postgresql://owner:hunter2@db/chairside",
            },
        )
    )


def test_a_sqlite_database_has_no_second_login() -> None:
    url = "postgresql://owner@db/chairside"
    assert "needs none" in refusal(None, {"CHAIRSIDE_DATABASE_MIGRATE_URL": url})


def test_settings_cannot_be_changed_once_read() -> None:
    config = Config()
    for section in fields(config):
        with pytest.raises(AttributeError):
            setattr(config, section.name, None)


@pytest.mark.parametrize(
    "origin", ["https://a.example/", "https://a.example; script-src *", "a.example", "*"]
)
def test_only_origins_are_accepted_for_the_frame_policy(tmp_path: Path, origin: str) -> None:
    path = file_with(tmp_path, f"[api]\nframe_origins = ['{origin}']\n")
    assert f'api.frame_origins: "{origin}" is no origin' in refusal(path)


@pytest.mark.parametrize("region", ["at", "XX", "AUT", "Austria"])
def test_the_region_is_a_country(region: str) -> None:
    message = refusal(None, {"CHAIRSIDE_PRACTICE_REGION": region})
    assert message.startswith("practice.region must be a country")


@pytest.mark.parametrize("variable", sorted(OF_COMMANDS))
def test_a_variable_of_a_command_is_no_misspelt_setting(variable: str) -> None:
    assert variable in (patient_access.TOKEN, patient_access.PATIENT, patient_access.URL)
    assert load_config(None, {variable: "x"}) == Config()

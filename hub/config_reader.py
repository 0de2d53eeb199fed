"""Reads settings strictly into frozen dataclasses, from TOML and the environment.

The fields of a root dataclass are sections; each section is a dataclass whose fields are
settings with defaults. Bounds are metadata of the `annotated-types` library. A field without
``repr`` is a secret, whose value no message shows. A section may raise ValueError when its
settings do not go together; its message begins with the name of the setting.
Every error is a :class:`ConfigError` that names the setting, its place and what is expected.
"""

import difflib
import math
import os
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import Field, dataclass, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, cast, get_args, get_origin, get_type_hints

from annotated_types import Ge, Le

PREFIX = "CHAIRSIDE_"

_NEAR = 0.85
"""How similar an unknown variable must be to a known one to count as a misspelling."""

OF_COMMANDS = frozenset({f"{PREFIX}{name}" for name in ("TOKEN", "PATIENT", "URL")})
"""Variables of commands that are clients of a hub: no settings, however similar their names."""

_KUBERNETES = re.compile(rf"{PREFIX}(SERVICE_HOST|SERVICE_PORT|PORT)(_.*)?$")
"""Variables that Kubernetes sets for a service with the name of the product."""

_TRUE = frozenset({"true", "yes", "on", "1"})
_FALSE = frozenset({"false", "no", "off", "0"})

Root = TypeVar("Root")


class ConfigError(Exception):
    """An invalid setting; the message is one sentence for the operator."""


class _Invalid(Exception):
    """A value that the setting does not accept."""


@dataclass(frozen=True, slots=True)
class Setting:
    """The type and the bounds of one setting."""

    section: str
    key: str
    type: Any
    least: float | None
    most: float | None
    secret: bool
    """No message shows its value."""

    @property
    def name(self) -> str:
        return f"{self.section}.{self.key}"

    @property
    def variable(self) -> str:
        return f"{PREFIX}{self.section}_{self.key}".upper()

    @property
    def expected(self) -> str:
        if get_origin(self.type) is Literal:
            return "one of " + ", ".join(map(_shown, get_args(self.type)))
        if self.type in (int, float):
            kind = "a whole number" if self.type is int else "a number"
            if self.most is not None:
                return f"{kind} from {self.least:g} to {self.most:g}"
            return kind if self.least is None else f"{kind} of {self.least:g} or more"
        if self.type is bool:
            return "true or false"
        return "text" if self.type is str else "a list of texts"

    def fit(self, value: object) -> object:
        """``value`` in the type of this setting. Raises :class:`_Invalid`."""
        if self.type is float and type(value) is int:
            value = float(value)
        if get_origin(self.type) is Literal:
            fits = any(type(value) is type(each) and value == each for each in get_args(self.type))
        elif get_origin(self.type) is tuple:
            fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
            value = tuple(value) if isinstance(value, list) else value
        else:
            fits = type(value) is self.type
        if fits and self.type in (int, float):
            fits = self._within_bounds(cast("float", value))
        if not fits:
            raise _Invalid
        return value

    def _within_bounds(self, number: float) -> bool:
        least = -math.inf if self.least is None else self.least
        most = math.inf if self.most is None else self.most
        return math.isfinite(number) and least <= number <= most

    def parse(self, text: str) -> object:
        """The value of a variable's ``text``. Raises :class:`_Invalid`."""
        if get_origin(self.type) is tuple:
            return self.fit([item.strip() for item in text.split(",") if item.strip()])
        if self.type is bool:
            if text.lower() not in _TRUE | _FALSE:
                raise _Invalid
            return text.lower() in _TRUE
        if True in get_args(self.type) and text.lower() in _TRUE | _FALSE:
            return text.lower() in _TRUE
        if self.type in (int, float):
            try:
                return self.fit(self.type(text))
            except ValueError:
                raise _Invalid from None
        return self.fit(text)


def settings_of(root: type) -> Mapping[str, Mapping[str, Setting]]:
    """Every setting of ``root``, by section and key, in order."""
    return {
        section: {
            field.name: _setting(section, field, hints[field.name])
            for field in fields(cls)
            for hints in [get_type_hints(cls, include_extras=True)]
        }
        for section, cls in get_type_hints(root).items()
        if is_dataclass(cls)
    }


def _setting(section: str, field: Field[object], hint: Any) -> Setting:
    kind, *bounds = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    return Setting(
        section=section,
        key=field.name,
        type=kind,
        least=_number(next((bound.ge for bound in bounds if isinstance(bound, Ge)), None)),
        most=_number(next((bound.le for bound in bounds if isinstance(bound, Le)), None)),
        secret=not field.repr,
    )


def _number(bound: object) -> float | None:
    assert isinstance(bound, int | float | None), "settings are bounded by numbers"
    return bound


def read_toml(path: Path) -> Mapping[str, object]:
    """The tables of a file. Raises :class:`ConfigError` if it is not readable TOML."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"Cannot read {path}: {os.strerror(error.errno or 0)}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"Cannot read {path}: it is not UTF-8 text") from None
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is not valid TOML: {error}") from None


def read_config(
    root: type[Root], tables: Mapping[str, object], environ: Mapping[str, str], *, file: str
) -> Root:
    """``root`` from its defaults, overridden by ``tables`` of ``file``, then by ``environ``."""
    known = settings_of(root)
    _refuse_unknown_variables(known, environ)
    for section in tables:
        if section not in known:
            raise ConfigError(_unknown(file, "section", f"[{section}]", section, known, "[{}]"))
    return root(
        **{
            section: _read_section(cls, known[section], tables.get(section, {}), environ, file)
            for section, cls in get_type_hints(root).items()
        }
    )


def _read_section(
    cls: type[Root],
    known: Mapping[str, Setting],
    table: object,
    environ: Mapping[str, str],
    file: str,
) -> Root:
    values: dict[str, object] = {}
    section = next(iter(known.values())).section
    if not isinstance(table, Mapping):
        raise ConfigError(f"{file}: {section} must be a section: write [{section}] above its keys")
    for key, value in table.items():
        if key not in known:
            raise ConfigError(
                _unknown(file, "setting", f"{section}.{key}", key, known, f"{section}.{{}}")
            )
        values[key] = _checked(known[key], value, f"{file}: {section}.{key}")
    for key, setting in known.items():
        if (text := environ.get(setting.variable)) is not None:
            values[key] = _checked(setting, text, setting.variable, from_text=True)
    try:
        return cls(**values)
    except ValueError as error:
        key = str(error).partition(" ")[0].rstrip(":")
        raise ConfigError(f"{section}{'.' if key in known else ': '}{error}") from None


def _checked(setting: Setting, value: object, place: str, *, from_text: bool = False) -> object:
    try:
        return setting.parse(str(value)) if from_text else setting.fit(value)
    except _Invalid:
        shown = "the value given" if setting.secret else _shown(value)
        raise ConfigError(f"{place} must be {setting.expected}, not {shown}") from None


def _shown(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else str(value).lower()
    return text if len(text) <= 60 else text[:57] + "…"


def _unknown(file: str, kind: str, shown: str, word: str, known: Iterable[str], form: str) -> str:
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.0)
    return f"{file}: unknown {kind} {shown}; did you mean {form.format(near[0])}?"


def _refuse_unknown_variables(
    known: Mapping[str, Mapping[str, Setting]], environ: Mapping[str, str]
) -> None:
    """Refuse an unknown variable of a known section, and one that is nearly a known name.

    Other programs may use further ``CHAIRSIDE_*`` variables.
    """
    names = [setting.variable for keys in known.values() for setting in keys.values()]
    for variable in sorted(environ):
        is_ours = variable.startswith(PREFIX) and variable not in OF_COMMANDS
        if not is_ours or variable in names or _KUBERNETES.match(variable):
            continue
        ours = variable.removeprefix(PREFIX).partition("_")[0].lower() in known
        if near := difflib.get_close_matches(variable, names, n=1, cutoff=0.0 if ours else _NEAR):
            raise ConfigError(f"Unknown variable {variable}; did you mean {near[0]}?")

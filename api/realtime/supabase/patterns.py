"""Patterns of filters: SQL ``LIKE`` and PostgreSQL's regular expressions, in linear time; pure.

Both are translated to RE2, whose matching time is linear in the text. A pattern that RE2 would
read differently from PostgreSQL, or cannot match in linear time, is refused: back references,
lookaround, word boundaries. https://www.postgresql.org/docs/current/functions-matching.html
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import re2  # type: ignore[import-untyped]  # ships no types

from api.realtime.supabase.columns import InvalidFilter

SIZE_MAX: Final = 1_000
"""Of all patterns together of one socket: bounds the time to compile them, and to match a row."""

_MEMORY_BYTES: Final = 256 * 1024
_REPEAT_MAX: Final = 255
_CLASS_COST: Final = 8
"""Instructions of a Unicode class of which no more than one is active for each character."""
_CLASS: Final = re.compile(r"\\p\{\w+\}")

_SPACE: Final = r"\s\v\p{Z}"
_WORD: Final = r"\p{L}\p{N}_"
_CLASS_ESCAPES: Final = {"d": "0-9", "s": _SPACE, "w": _WORD}
_ESCAPES: Final = {each: f"\\{each}" for each in "fnrtv"}
_CONSTRAINTS: Final = {"^": "^", "$": "$", r"\A": r"\A", r"\Z": r"\z"}
_NAMED: Final = {
    "alnum": r"\p{L}\p{N}",
    "alpha": r"\p{L}",
    "blank": r"\t\p{Zs}",
    "cntrl": r"\p{Cc}",
    "digit": "0-9",
    "lower": r"\p{Ll}",
    "punct": r"\p{P}\p{S}",
    "space": _SPACE,
    "upper": r"\p{Lu}",
    "word": _WORD,
    "xdigit": "0-9A-Fa-f",
}

_CODE_POINT: Final = r"\\(?:x(?P<x>[0-9A-Fa-f]+)|u(?P<u>[0-9A-Fa-f]{4})|U(?P<U>[0-9A-Fa-f]{8}))"
_TOKEN: Final = re.compile(
    rf"{_CODE_POINT}|\\(?P<escape>.)|\{{(?P<bound>[0-9][0-9,]*)\}}?|(?P<open>\((?:\?:?)?)"
    r"|(?P<operator>[*+?|^$.)])|(?P<literal>[^\\])",
    re.DOTALL,
)
_ITEM: Final = re.compile(
    rf"{_CODE_POINT}|\\(?P<escape>.)|\[:(?P<name>\w+):\]|\[[.=](?P<element>.)[.=]\]"
    r"|(?P<literal>(?!\[[:.=])[^\\])",
    re.DOTALL,
)
_REPEATS: Final = ("*", "+", "?", "{")
_OPTIONS: Final = re.compile(r"\(\?([a-z]*)\)")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A compiled pattern."""

    matcher: Any
    size: int
    """Its characters or the instructions that it is compiled to, see :data:`SIZE_MAX`."""

    def matches(self, text: str) -> bool:
        return self.matcher.search(text) is not None


def like_pattern(text: str, *, ignore_case: bool) -> Pattern:
    """The whole text matches: ``%`` is any text, ``_`` any character, ``\\`` escapes."""
    parts, characters = [r"\A"], iter(text)
    for character in characters:
        if character == "\\":
            literal = next(characters, None)
            if literal is None:
                raise InvalidFilter("a pattern must not end with the escape character")
            parts.append(re2.escape(literal))
        elif character == "%":
            if parts[-1] != ".*":
                parts.append(".*")
        else:
            parts.append("." if character == "_" else re2.escape(character))
    return _compiled(text, "".join([*parts, r"\z"]), ignore_case=ignore_case)


def posix_pattern(text: str, *, ignore_case: bool) -> Pattern:
    """A part of the text matches an advanced regular expression of PostgreSQL."""
    body = text
    if found := _OPTIONS.match(text):
        if not set(found[1]) <= set("ics"):
            raise InvalidFilter(f"the options {found[0]} of a pattern are not offered")
        case_options = found[1].replace("s", "")  # s is the default, and of i and c the last counts
        ignore_case = case_options.endswith("i") if case_options else ignore_case
        body = text[found.end() :]
    return _compiled(text, "".join(_translated(body)), ignore_case=ignore_case)


def _compiled(text: str, translated: str, *, ignore_case: bool) -> Pattern:
    options = re2.Options()
    options.max_mem, options.log_errors = _MEMORY_BYTES, False
    options.never_capture, options.dot_nl = True, True
    options.case_sensitive = not ignore_case
    try:
        steps = re2.compile(_CLASS.sub("a", translated), options).programsize
        matcher = re2.compile(translated, options)
    except (re2.error, UnicodeEncodeError) as error:
        reason = error.args[0] if isinstance(error, re2.error) else "not Unicode"
        shown = reason.decode(errors="replace") if isinstance(reason, bytes) else reason
        raise InvalidFilter(f"not a valid pattern: {shown}") from None
    return Pattern(matcher, max(len(text), steps, matcher.programsize // _CLASS_COST))


def _translated(text: str) -> Iterator[str]:
    place, is_constraint = 0, False
    while place < len(text):
        if text[place] == "[":
            bracket, place = _bracket(text, place + 1)
            is_constraint = False
            yield bracket
            continue
        token = _TOKEN.match(text, place)
        if token is None:
            raise InvalidFilter("a pattern must not end with the escape character")
        if is_constraint and token[0].startswith(_REPEATS):
            raise InvalidFilter("not a valid pattern: nothing to repeat")
        place, is_constraint = token.end(), token[0] in _CONSTRAINTS
        yield _outside(token)


def _outside(token: re.Match[str]) -> str:
    """A token that is not in brackets."""
    match token.lastgroup:
        case "operator":
            return token[0]
        case "open":
            if token[0] == "(?":
                raise InvalidFilter("lookaround and options in a pattern are not offered")
            return "(?:"
        case "bound":
            low, _, high = token["bound"].partition(",")
            closed = token[0].endswith("}") and "," not in high
            if not closed or int(high or low) > _REPEAT_MAX:
                raise InvalidFilter(f"bounds in a pattern are {{m,n}}, at most {_REPEAT_MAX}")
            return token[0]
        case "escape":
            escape = token["escape"]
            if token[0] in _CONSTRAINTS:
                return _CONSTRAINTS[token[0]]
            if escape in _CLASS_ESCAPES:
                return f"[{_CLASS_ESCAPES[escape]}]"
            if escape.lower() in _CLASS_ESCAPES:
                return f"[^{_CLASS_ESCAPES[escape.lower()]}]"
    return _character(token)


def _character(token: re.Match[str]) -> str:
    """A token that stands for one character."""
    if code := token["x"] or token["u"] or token["U"]:
        return f"\\x{{{code.lstrip('0') or '0'}}}"
    if escape := token["escape"]:
        if escape in _ESCAPES:
            return _ESCAPES[escape]
        if escape.isalnum():
            raise InvalidFilter(f"\\{escape} is not offered in a pattern")
        return str(re2.escape(escape))
    return str(re2.escape(token[0]))


def _bracket(text: str, place: int) -> tuple[str, int]:
    """The bracket expression that begins at ``place``, and where it ends."""
    negated = text.startswith("^", place)
    place += negated
    parts = ["[^" if negated else "["]
    while not text.startswith("]", place) or len(parts) == 1:
        first, place, is_character = _item(text, place)
        parts.append(first)
        if is_character and text.startswith("-", place) and not text.startswith("-]", place):
            last, place, is_character = _item(text, place + 1)
            if not is_character:
                raise InvalidFilter("a class cannot end a range in a pattern")
            parts.append("-" + last)
    return "".join(parts) + "]", place + 1


def _item(text: str, place: int) -> tuple[str, int, bool]:
    """One item of a bracket expression, where it ends, and whether it is one character."""
    item = _ITEM.match(text, place)
    if item is None:
        raise InvalidFilter("brackets [] in a pattern must be closed; [.a.] is one character")
    if name := item["name"]:
        if name not in _NAMED:
            raise InvalidFilter(f"[:{name}:] is not offered in a pattern")
        return _NAMED[name], item.end(), False
    if item["escape"] in _CLASS_ESCAPES:
        return _CLASS_ESCAPES[item["escape"]], item.end(), False
    if element := item["element"]:
        return str(re2.escape(element)), item.end(), True
    return _character(item), item.end(), True

"""Which text the bytes of a file are, and its lines."""

import io
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from actors.domain.refusals import ValidationFailed

LINE_MAX_CHARS: Final = 1_000_000
_ZIP: Final = b"PK\x03\x04"
_UTF8_MARK: Final = b"\xef\xbb\xbf"
_UTF16_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")


class Encoding(StrEnum):
    """Encodings that a client may name. Without one it is recognised."""

    UTF_8 = "utf-8"
    UTF_16 = "utf-16"
    WINDOWS_1252 = "windows-1252"
    LATIN_1 = "iso-8859-1"
    DOS_850 = "cp850"


def refuse_file(message: str) -> ValidationFailed:
    """The error of a file that cannot be used at all."""
    return ValidationFailed.of("body", message)


def encoding_of(data: bytes) -> Encoding:
    """The encoding by the byte-order mark, or else the first that fits. Raises ValidationFailed."""
    if data.startswith(_UTF16_MARKS):
        return Encoding.UTF_16
    if data.startswith(_ZIP):
        raise refuse_file("is a workbook or an archive: save it as CSV first")
    if b"\0" in data:
        raise refuse_file("is not text, or UTF-16 without a byte-order mark")
    for encoding in (Encoding.UTF_8, Encoding.WINDOWS_1252):
        try:
            data.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return Encoding.LATIN_1


def lines_of(data: bytes, encoding: Encoding) -> Iterator[str]:
    """The lines with their ends, without a byte-order mark. Raises ValidationFailed."""
    marked = encoding is Encoding.UTF_8 and data.startswith(_UTF8_MARK)
    codec = "utf-8-sig" if marked else encoding.value
    with io.TextIOWrapper(io.BytesIO(data), encoding=codec, newline="") as text:
        for number in range(1, len(data) + 2):
            try:
                line = text.readline(LINE_MAX_CHARS)
            except UnicodeError:
                raise refuse_file(f"is not {encoding} after line {number - 1:,}") from None
            if not line:
                return
            if len(line) >= LINE_MAX_CHARS:
                raise refuse_file(f"line {number:,} is too long")
            if "\0" in line:
                raise refuse_file(f"line {number:,} is not text")
            yield line

"""A layer of the file system under SQLite that records what is written, and what is synchronised.

SQLite reaches files through a VFS (https://sqlite.org/vfs.html). This one is the VFS of the
platform, except that writes, truncations and synchronisations of files in one folder are recorded
after they were done. It is made by ctypes in the library that Python's own ``sqlite3`` uses, so the
store runs unchanged.
"""

import ctypes
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

_OK: Final = 0
_POINTER, _INT, _INT64 = ctypes.c_void_p, ctypes.c_int, ctypes.c_int64


@dataclass(frozen=True, slots=True)
class Write:
    file: str
    offset: int
    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Truncation:
    file: str
    size: int


@dataclass(frozen=True, slots=True)
class Deletion:
    file: str


@dataclass(frozen=True, slots=True)
class Synchronisation:
    file: str


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A reply to a caller, at this point between the operations."""

    key: str


Operation = Write | Truncation | Deletion | Synchronisation | Acknowledgement


class Recording:
    """The operations on the files of a folder, in the order in which they were done."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder.resolve()
        self.operations: list[Operation] = []
        self.at_first: dict[str, bytes] = {}
        """The content that files had when they were opened first."""

    def names(self, path: Path) -> str | None:
        """The name of a file that is recorded."""
        return path.name if path.resolve().parent == self._folder else None

    def opened(self, path: Path) -> None:
        if path.name not in self.at_first:
            self.at_first[path.name] = path.read_bytes() if path.exists() else b""

    def acknowledged(self, key: str) -> None:
        self.operations.append(Acknowledgement(key))


class _Vfs(ctypes.Structure):
    """``sqlite3_vfs``, up to version 1; further members are copied and never used here."""

    _fields_ = (
        ("version", _INT),
        ("file_size", _INT),
        ("path_max", _INT),
        ("next", _POINTER),
        ("name", ctypes.c_char_p),
        ("data", _POINTER),
        ("open", _POINTER),
        ("delete", _POINTER),
        ("rest", _POINTER * 15),
    )


class _Methods(ctypes.Structure):
    """``sqlite3_io_methods``."""

    _fields_ = (
        ("version", _INT),
        ("close", _POINTER),
        ("read", _POINTER),
        ("write", _POINTER),
        ("truncate", _POINTER),
        ("sync", _POINTER),
        ("rest", _POINTER * 13),
    )


_OPEN = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER, _POINTER, _INT, _POINTER)
_DELETE = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER, _INT)
_WRITE = ctypes.CFUNCTYPE(_INT, _POINTER, _POINTER, _INT, _INT64)
_TRUNCATE = ctypes.CFUNCTYPE(_INT, _POINTER, _INT64)
_SYNC = ctypes.CFUNCTYPE(_INT, _POINTER, _INT)


def library() -> ctypes.CDLL | None:
    """The library of Python's ``sqlite3``; ``None`` if its functions are not exported."""
    import _sqlite3

    found = ctypes.CDLL(_sqlite3.__file__)
    try:
        found.sqlite3_vfs_find.restype = _POINTER
        found.sqlite3_vfs_register.argtypes = [_POINTER, _INT]
        found.sqlite3_vfs_unregister.argtypes = [_POINTER]
    except AttributeError:
        return None
    return found


@contextmanager
def recorded(folder: Path) -> Iterator[Recording]:
    """Records the files that SQLite opens in ``folder`` inside the block, and closes in it."""
    sqlite = library()
    assert sqlite, "checked by the caller"
    layer = _Layer(sqlite, Recording(folder))
    layer.register()
    try:
        yield layer.recording
    finally:
        layer.unregister()


class _Layer:
    def __init__(self, sqlite: ctypes.CDLL, recording: Recording) -> None:
        self._sqlite, self.recording = sqlite, recording
        self._below = sqlite.sqlite3_vfs_find(None)
        self._vfs = _Vfs.from_buffer_copy(ctypes.string_at(self._below, ctypes.sizeof(_Vfs)))
        self._open_below, self._delete_below = _OPEN(self._vfs.open), _DELETE(self._vfs.delete)
        self._open, self._delete = _OPEN(self._opened), _DELETE(self._deleted)
        self._vfs.name, self._vfs.next = b"recorded", None
        self._vfs.open = ctypes.cast(self._open, _POINTER).value
        self._vfs.delete = ctypes.cast(self._delete, _POINTER).value
        self._kept: list[Any] = []
        """Callbacks and tables that SQLite has pointers to."""
        self._patched: dict[str, _Methods] = {}

    def register(self) -> None:
        assert self._sqlite.sqlite3_vfs_register(ctypes.byref(self._vfs), 1) == _OK

    def unregister(self) -> None:
        self._sqlite.sqlite3_vfs_register(self._below, 1)
        self._sqlite.sqlite3_vfs_unregister(ctypes.byref(self._vfs))

    def _opened(self, _vfs: int, name: int | None, file: int, flags: int, out: int) -> int:
        # SQLite keeps the pointer to the name, so a copy of the text must not be passed on.
        path = Path(ctypes.string_at(name).decode()) if name else None
        recorded = self.recording.names(path) if path else None
        if path and recorded:
            self.recording.opened(path)
        done: int = self._open_below(self._below, name, file, flags, out)
        if recorded and done == _OK:
            methods = ctypes.cast(file, ctypes.POINTER(_POINTER))
            if recorded not in self._patched:
                self._patched[recorded] = self._recording_methods(recorded, methods[0])
            methods[0] = ctypes.addressof(self._patched[recorded])
        return done

    def _deleted(self, _vfs: int, name: int, is_synchronised: int) -> int:
        done: int = self._delete_below(self._below, name, is_synchronised)
        recorded = self.recording.names(Path(ctypes.string_at(name).decode()))
        if done == _OK and recorded:
            self.recording.operations.append(Deletion(recorded))
        return done

    def _recording_methods(self, name: str, below: int | None) -> _Methods:
        assert below, "an open file has methods"
        methods = _Methods.from_buffer_copy(ctypes.string_at(below, ctypes.sizeof(_Methods)))
        write, truncate = _WRITE(methods.write), _TRUNCATE(methods.truncate)
        sync, operations = _SYNC(methods.sync), self.recording.operations

        def on_write(file: int, data: int, size: int, offset: int) -> int:
            done: int = write(file, data, size, offset)
            if done == _OK:
                operations.append(Write(name, offset, ctypes.string_at(data, size)))
            return done

        def on_truncate(file: int, size: int) -> int:
            done: int = truncate(file, size)
            if done == _OK:
                operations.append(Truncation(name, size))
            return done

        def on_sync(file: int, flags: int) -> int:
            done: int = sync(file, flags)
            if done == _OK:
                operations.append(Synchronisation(name))
            return done

        callbacks = _WRITE(on_write), _TRUNCATE(on_truncate), _SYNC(on_sync)
        methods.write, methods.truncate, methods.sync = (
            ctypes.cast(each, _POINTER).value for each in callbacks
        )
        self._kept += [*callbacks, write, truncate, sync]
        return methods

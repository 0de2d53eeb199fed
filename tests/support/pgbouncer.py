"""The real PgBouncer, where the machine has one (Debian's package ``pgbouncer``)."""

import contextlib
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.ports import free_port
from tests.support.tls import Identity
from tests.support.waiting import wait_for_port

MISSING = "no pgbouncer on this machine; tests.support.pooler takes its place"
_UNPRIVILEGED = "nobody"


def pgbouncer() -> str | None:
    """The path of the program; Debian keeps it outside the PATH of normal users."""
    return shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")


@contextlib.contextmanager
def pgbouncer_to(url: str, *, servers: int = 3, tls: Identity | None = None) -> Iterator[str]:
    """The URL of a transaction pooler that has ``servers`` connections to ``url``."""
    program, parts, port = pgbouncer(), urlsplit(url), free_port()
    assert program, MISSING
    with tempfile.TemporaryDirectory(prefix="chairside-pgbouncer-") as name:
        folder = Path(name)
        (folder / "users").write_text(f'"{parts.username}" ""\n')
        (folder / "ini").write_text(_settings(folder, port, servers, tls, url))
        owner = _hand_over(folder)
        with (folder / "log").open("wb") as log:
            process = subprocess.Popen(
                [program, "-q", str(folder / "ini")], stdout=log, stderr=log, user=owner
            )
        try:
            wait_for_port(port, lambda: process.poll() is None, folder / "log")
            yield parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}").geturl()
        finally:
            process.kill()
            process.wait()


def _settings(folder: Path, port: int, servers: int, tls: Identity | None, url: str) -> str:
    behind = urlsplit(url)
    lines = [
        "[databases]",
        f"* = host={behind.hostname} port={behind.port}",
        "[pgbouncer]",
        "listen_addr = 127.0.0.1",
        f"listen_port = {port}",
        "unix_socket_dir =",
        "auth_type = trust",
        f"auth_file = {folder / 'users'}",
        "pool_mode = transaction",
        f"default_pool_size = {servers}",
        "max_client_conn = 200",
    ]
    if tls:
        for kind, file in (("cert", tls.certificate), ("key", tls.key)):
            shutil.copy(file, folder / kind)
            lines.append(f"client_tls_{kind}_file = {folder / kind}")
        lines.append("client_tls_sslmode = require")
    return "\n".join(lines) + "\n"


def _hand_over(folder: Path) -> str | None:
    """Give the folder to another account: PgBouncer refuses to run as root."""
    if os.geteuid() != 0:
        return None
    account = pwd.getpwnam(_UNPRIVILEGED)
    for each in (folder, *folder.iterdir()):
        os.chown(each, account.pw_uid, account.pw_gid)
    return _UNPRIVILEGED

"""``make cluster``: the demo clinic on three nodes with PostgreSQL, Valkey and a load balancer.

Everything runs on this machine and is deleted at the end. PostgreSQL and Valkey come from the
wheels that the tests use. HAProxy or nginx must be installed; without them, the addresses of the
three nodes are shown, and each of them serves the whole hub.
"""

import argparse
import asyncio
import contextlib
import os
import secrets
import shutil
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import date
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from actors.domain.principal import Role
from api.auth import AuthSettings, issue_token
from api.http.settings import ServerSettings
from hub.bootstrap import open_hub
from hub.clock import SystemClock
from hub.config import Config
from hub.demo import demo
from hub.demo.plan import plan
from hub.telemetry.logging import LoggingSettings, configure_logging
from store.migrations.migrate import upgrade
from store.settings import DatabaseSettings
from tests.support.ports import free_port
from tests.support.postgres import ADMIN, PostgresServer
from tests.support.valkey import ValkeyServer

ROOT = Path(__file__).parent.parent
NODES = 3
START_S = 60.0
STOP_S = 30.0
_OWNER_ONLY = 0o600


async def run(folder: Path, port: int, stop: asyncio.Event, report: Callable[[str], None]) -> None:
    """Run until ``stop`` is set; then stop everything in order."""
    postgres, valkey = PostgresServer(), ValkeyServer()
    async with AsyncExitStack() as stack:
        for name, server in (("PostgreSQL", postgres), ("Valkey", valkey)):
            stack.push_async_callback(asyncio.to_thread, server.remove)
            await asyncio.to_thread(server.start)
            report(f"{name} listens on port {server.port}")
        database = await asyncio.to_thread(_clinic, postgres)
        secret = secrets.token_urlsafe(48)
        config = Config(
            server=ServerSettings(environment="demo"),
            database=DatabaseSettings(url=database),
            auth=AuthSettings(secret=secret),
        )
        environ = {
            "CHAIRSIDE_SERVER_ENVIRONMENT": "demo",
            "CHAIRSIDE_CHATBOT_CONSENT": "assumed",
            "CHAIRSIDE_DATABASE_URL": database,
            "CHAIRSIDE_REDIS_URL": valkey.url,
            "CHAIRSIDE_AUTH_SECRET": secret,
            "CHAIRSIDE_LOGGING_LEVEL": "warning",
            "CHAIRSIDE_SERVER_TRUSTED_PROXIES": "127.0.0.1",  # the load balancer
        }
        balancer, ports = _program(), [free_port() for _ in range(NODES)]
        url = f"http://localhost:{port if balancer else ports[0]}"
        environ |= _sign_in(url, folder / "mail")
        report("Filling the demo clinic …")
        async with open_hub(config) as hub:
            await demo.seed(hub, plan(date.today()))
            now = SystemClock().now()

            def issue(subject: str, role: Role) -> str:
                return issue_token(secret, subject=subject, role=role, now=now, ttl=demo.TOKEN_LIFE)

            await demo.add_accounts(hub)
            links = await demo.links(hub, url, issue)
        _write(folder / "links.json", orjson.dumps(links, option=orjson.OPT_INDENT_2))
        hubs = await asyncio.gather(
            *(stack.enter_async_context(_hub(folder, each, environ)) for each in ports)
        )
        if balancer:
            await stack.enter_async_context(_balancer(balancer, folder, port, ports))
        name = Path(balancer).name if balancer else ""
        for line in _summary(url, name, ports, folder, links):
            report(line)
        await stop.wait()
        report("Stopping …")
        await asyncio.gather(*map(_end, hubs))


def _sign_in(url: str, mails: Path) -> Mapping[str, str]:
    """As in ``chairside demo``: codes by mail, which the page ``/mail`` shows."""
    return {
        "CHAIRSIDE_SERVER_PUBLIC_URL": url,
        "CHAIRSIDE_SIGN_IN_ENABLED": "true",
        "CHAIRSIDE_SIGN_IN_EMAIL_CODES": "true",
        "CHAIRSIDE_SIGN_IN_PASSKEY_ROLES": "admin",
        "CHAIRSIDE_MESSAGES_ENABLED": "true",
        "CHAIRSIDE_MAIL_FOLDER": str(mails),
        "CHAIRSIDE_MAIL_SENDER": "demo@practice.example",
    }


def _clinic(postgres: PostgresServer) -> str:
    postgres.run("postgres", "CREATE ROLE chairside LOGIN NOINHERIT")
    name = postgres.create()
    upgrade(postgres.url(name), migrate_url=postgres.url(name, ADMIN))
    return postgres.url(name)


@asynccontextmanager
async def _hub(
    folder: Path, port: int, environ: Mapping[str, str]
) -> AsyncIterator[asyncio.subprocess.Process]:
    clean = {name: value for name, value in os.environ.items() if "CHAIRSIDE_" not in name}
    with (folder / f"node-{port}.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "hub.cli", "serve", "--port", str(port)),
            cwd=folder,
            env={
                **clean,
                **environ,
                "CHAIRSIDE_CLUSTER_NAME": f"127.0.0.1:{port}",
                "PYTHONPATH": str(ROOT),
            },
            stdout=asyncio.subprocess.DEVNULL,
            stderr=log,
            start_new_session=True,  # Ctrl-C stops only this process; it stops the others
        )
    try:
        await _ready(f"http://127.0.0.1:{port}/health/ready", process)
        yield process
    finally:
        await _end(process)


def _program() -> str | None:
    """The load balancer of this machine, if it has one."""
    return shutil.which("haproxy", path=_path()) or shutil.which("nginx", path=_path())


def balancer_command(
    program: str, folder: Path, port: int, nodes: Sequence[int]
) -> tuple[Sequence[str], Mapping[str, str]]:
    """The command and the variables that run ``program`` with its file of ``deploy/``."""
    addresses = [f"127.0.0.1:{each}" for each in nodes]
    if Path(program).name == "haproxy":
        environ = {f"HUB_NODE{n}": address for n, address in enumerate(addresses, 1)}
        environ["HUB_BIND"] = f"127.0.0.1:{port}"
        return [program, "-f", str(ROOT / "deploy" / "haproxy.cfg"), "-db"], environ
    text = (ROOT / "deploy" / "nginx.conf").read_text(encoding="utf-8")
    for n, address in enumerate(addresses, 1):
        text = text.replace(f"127.0.0.1:808{n}", address)
    text = text.replace("listen 8080;", f"listen 127.0.0.1:{port};")
    written = folder / "nginx.conf"
    written.write_text(f"pid {folder}/nginx.pid;\n{text}", encoding="utf-8")
    return [program, "-c", str(written), "-g", "daemon off;"], {}


@asynccontextmanager
async def _balancer(
    program: str, folder: Path, port: int, nodes: Sequence[int]
) -> AsyncIterator[None]:
    command, environ = balancer_command(program, folder, port, nodes)
    with (folder / "balancer.log").open("ab") as log:
        process = await asyncio.create_subprocess_exec(
            *command, env={**os.environ, **environ}, stdout=log, stderr=log, start_new_session=True
        )
    try:
        await _ready(f"http://127.0.0.1:{port}/health/ready", process)
        yield
    finally:
        await _end(process)


def _path() -> str:
    return os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))


async def _ready(url: str, process: asyncio.subprocess.Process) -> None:
    async with aiohttp.ClientSession() as session, asyncio.timeout(START_S):
        while True:
            if process.returncode is not None:
                raise RuntimeError(f"{url} did not start: see the logs beside links.json")
            with contextlib.suppress(aiohttp.ClientError):
                async with session.get(url) as answer:
                    if answer.status == 200:
                        return
            await asyncio.sleep(0.05)


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(STOP_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _write(path: Path, content: bytes) -> None:
    """Write a file that only its owner can read: it contains tokens."""
    path.unlink(missing_ok=True)
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _OWNER_ONLY), "wb") as file:
        file.write(content)


def _summary(
    url: str, balancer: str, ports: Sequence[int], folder: Path, links: Mapping[str, Any]
) -> Sequence[str]:
    nodes = ", ".join(f"http://127.0.0.1:{each}" for each in ports)
    load_balancer = (
        f"{balancer} on {url}"
        if balancer
        else "none: install haproxy (or nginx) to have one address for all nodes"
    )
    return (
        f"Chairside’s demo clinic is open on {url}",
        "",
        f"  three nodes        {nodes}",
        f"  load balancer      {load_balancer}",
        f"  sign in            {url}/sign-in as {links['staff'][0]['email']}",
        f"  mails, with codes  {url}/mail",
        f"  API documentation  {url}/docs",
        f"  status, live       {url}/status#token={links['admin']['token']}",
        f"  all tokens         {folder / 'links.json'}",
        f"  try it             chairside traffic {url} --links {folder / 'links.json'}",
        "",
        "Kill a node (its port is in its command line) and watch the status.",
        "Ctrl-C stops everything.",
    )


async def _main(folder: Path, port: int) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await run(folder, port, stop, lambda line: print(line, flush=True))  # a command


def main() -> None:
    parser = argparse.ArgumentParser(description="the demo clinic on three nodes")
    parser.add_argument("--data", type=Path, default=Path("var/cluster"), metavar="DIR")
    parser.add_argument("--port", type=int, default=8080, metavar="N")
    args = parser.parse_args()
    configure_logging(LoggingSettings(level="warning"))
    folder = args.data.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(_main(folder, args.port))


if __name__ == "__main__":
    main()

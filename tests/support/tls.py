"""A TLS proxy in front of PostgreSQL, and the certificates for it.

The PostgreSQL of the wheel is built without OpenSSL. The proxy handles PostgreSQL's
``SSLRequest`` as a server with ``ssl = on`` does; the hub's side is under test.
"""

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.support.pooler import TLS_REQUEST, untyped

_YES = b"S"
_ONLY_ENCRYPTED = b"SFATAL\0VFATAL\0C28000\0Mno pg_hba.conf entry for this host, no encryption\0\0"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """A certificate authority; ``certificate`` is its own certificate."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, x509.Name([_called(name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = folder / f"{name}.pem"
        own = self._builder(self._name, self._key).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        _write(self.certificate, own.sign(self._key, hashes.SHA256()))

    def signed(self, name: str, *addresses: str) -> Identity:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = self._builder(x509.Name([_called(name)]), key)
        if addresses:
            builder = builder.add_extension(
                x509.SubjectAlternativeName([_address(each) for each in addresses]),
                critical=False,
            )
        identity = Identity(
            certificate=self._folder / f"{name}.crt", key=self._folder / f"{name}.key"
        )
        _write(identity.certificate, builder.sign(self._key, hashes.SHA256()))
        identity.key.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
        )
        identity.key.chmod(0o600)
        return identity

    def _builder(
        self, subject: x509.Name, key: ec.EllipticCurvePrivateKey
    ) -> x509.CertificateBuilder:
        now = datetime.now(UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(hours=1))
            .not_valid_after(now + timedelta(days=1))
        )


def _called(name: str) -> x509.NameAttribute[str]:
    return x509.NameAttribute(NameOID.COMMON_NAME, name)


def _address(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(file: Path, certificate: x509.Certificate) -> None:
    file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))


@dataclass
class TlsFront:
    host: str
    port: int
    context: ssl.SSLContext
    url: str = ""
    encrypted: int = 0
    """The number of connections that used TLS."""

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with contextlib.suppress(OSError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
        finally:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        startup = await untyped(reader)
        if int.from_bytes(startup[4:8], "big") != TLS_REQUEST:
            size = len(_ONLY_ENCRYPTED) + 4
            writer.write(b"E" + size.to_bytes(4, "big") + _ONLY_ENCRYPTED)
            await writer.drain()
            return
        writer.write(_YES)
        await writer.start_tls(self.context)
        self.encrypted += 1
        behind, before = await asyncio.open_connection(self.host, self.port)
        try:
            await asyncio.gather(_pump(reader, before), _pump(behind, writer))
        finally:
            before.transport.abort()


async def _pump(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    while some := await source.read(65_536):
        target.write(some)
        await target.drain()
    target.close()


@contextlib.asynccontextmanager
async def tls_front(
    url: str, identity: Identity, *, clients: Path | None = None
) -> AsyncIterator[TlsFront]:
    """``clients``: the authority of client certificates, if these are required."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    if clients:
        context.load_verify_locations(clients)
        context.verify_mode = ssl.CERT_REQUIRED
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    front = TlsFront(parts.hostname, parts.port, context)
    listener = await asyncio.start_server(front.accept, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    front.url = parts._replace(netloc=f"{parts.username}@127.0.0.1:{port}").geturl()
    try:
        yield front
    finally:
        listener.close()
        await listener.wait_closed()

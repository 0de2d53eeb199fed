"""TLS to PostgreSQL: what the driver does not do itself."""

import ssl
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import URL

from store.sql.url import SYSTEM_CERTIFICATES

_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")


def encryption(url: URL) -> tuple[URL, Mapping[str, ssl.SSLContext]]:
    """The URL and further arguments for asyncpg; psycopg needs none.

    Files are read for each connection, so a renewed certificate needs no restart. Raises
    FileNotFoundError.
    """
    options = check_files(url)
    if url.query.get("sslrootcert") != SYSTEM_CERTIFICATES:
        return url, {}
    context = ssl.create_default_context()
    if "sslcert" in options:
        context.load_cert_chain(options["sslcert"], options.get("sslkey"))
    return url.difference_update_query([*_FILES, "sslmode", "sslpassword"]), {"ssl": context}


def meaning_of(error: BaseException) -> str:
    """A message that says what to check, if the error of the TLS library does not."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not accepted: {error.verify_message}"
            " (sslmode and sslrootcert of the database URL decide which is)"
        )
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    return str(error) or type(error).__name__


def check_files(url: URL) -> Mapping[str, str]:
    """The options that name files. Raises FileNotFoundError, which names the one that is wrong;
    a driver would not."""
    options = {name: str(url.query[name]) for name in _FILES if name in url.query}
    if options.get("sslrootcert") == SYSTEM_CERTIFICATES:
        del options["sslrootcert"]
    for name, file in options.items():
        if not Path(file).is_file():
            raise FileNotFoundError(f"{name} of the database URL is no file: {file}")
    return options

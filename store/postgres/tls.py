"""TLS to PostgreSQL, where the driver leaves something to say."""

import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import URL

from store.sql.url import SYSTEM_CERTIFICATES

_FILES = ("sslrootcert", "sslcert", "sslkey", "sslcrl")


def encryption(url: URL) -> tuple[URL, Mapping[str, Any]]:
    """The URL for the driver, and what else to tell it. Read at each connection: whoever
    renews a certificate need not restart the hub.

    Raises FileNotFoundError that names what the driver would not: which option is wrong.
    """
    options = {name: str(url.query[name]) for name in _FILES if name in url.query}
    system = options.get("sslrootcert") == SYSTEM_CERTIFICATES
    if system:
        del options["sslrootcert"]
    for name, file in options.items():
        if not Path(file).is_file():
            raise FileNotFoundError(f"{name} of the database URL is no file: {file}")
    if not system:
        return url, {}
    context = ssl.create_default_context()
    if "sslcert" in options:
        context.load_cert_chain(options["sslcert"], options.get("sslkey"))
    return url.difference_update_query([*_FILES, "sslmode", "sslpassword"]), {"ssl": context}


def meaning_of(error: BaseException) -> str:
    """What to look at, where the error of the TLS library alone would not tell."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return (
            f"its certificate is not accepted: {error.verify_message}"
            " (sslmode and sslrootcert of the database URL decide which is)"
        )
    if isinstance(error, ssl.SSLError):
        return f"TLS failed: {error.reason or error}"
    return str(error) or type(error).__name__

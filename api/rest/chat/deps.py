"""What ``POST /api/chat`` needs beside the services."""

import secrets
from dataclasses import dataclass, field

from aiohttp import web

from chairside.chatbot.language_model import LanguageModel


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatDeps:
    """What the hub's own chatbot needs beside the services."""

    key: bytes = field(default_factory=lambda: secrets.token_bytes(32), repr=False)
    """Signs conversations; every process that answers the same clients has the same."""
    model: LanguageModel | None = None


CHAT_DEPS = web.AppKey("chat", ChatDeps)

"""The hub's own chatbot: its key, and the language model if one is configured."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from secrets import token_urlsafe

import aiohttp

from actors.bounds import Count, Positive
from api.auth import MIN_SECRET_BYTES
from api.ratelimit import RateLimiter
from api.rest.chat.chat import ChatDeps
from chairside.chatbot.language_model import LanguageModel
from chairside.chatbot.sealing import signing_key


@dataclass(frozen=True, kw_only=True, slots=True)
class ChatSettings:
    """How conversations are signed, and which language model helps; section ``[chat]``."""

    state_secret: str = field(default="", repr=False)
    model_url: str = ""
    model: str = ""
    model_key: str = field(default="", repr=False)
    model_timeout_s: Positive = 5.0
    rate_per_s: Positive = 10.0
    rate_burst: Count = 100

    def __post_init__(self) -> None:
        if self.model_url and not self.model_url.startswith(("http://", "https://")):
            raise ValueError(
                'model_url must be an address such as "https://models.example/v1",'
                f' not "{self.model_url}"'
            )
        if self.model_url and not self.model:
            raise ValueError("model_url needs chat.model, the name of the model to ask")
        if self.state_secret and len(self.state_secret.encode()) < MIN_SECRET_BYTES:
            raise ValueError(f"state_secret must have {MIN_SECRET_BYTES} bytes or more")


@asynccontextmanager
async def chat_deps(
    settings: ChatSettings, *, auth_secret: str, monotonic: Callable[[], float]
) -> AsyncIterator[ChatDeps]:
    """Until the block ends; without a model nothing is opened."""
    secret = settings.state_secret or auth_secret or token_urlsafe(MIN_SECRET_BYTES)
    limiter = RateLimiter(
        rate_per_s=settings.rate_per_s, burst=settings.rate_burst, monotonic=monotonic
    )
    async with model_of(settings) as model:
        yield ChatDeps(key=signing_key(secret), model=model, limiter=limiter)


@asynccontextmanager
async def model_of(chat: ChatSettings) -> AsyncIterator[LanguageModel | None]:
    """The configured language model, ``None`` by default."""
    if not chat.model_url:
        yield None
        return
    async with aiohttp.ClientSession() as session:
        yield LanguageModel(
            session,
            url=chat.model_url,
            model=chat.model,
            key=chat.model_key,
            timeout_s=chat.model_timeout_s,
        )

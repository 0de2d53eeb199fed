"""The hub's own chatbot: its key, and the language model if one is configured."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp

from api.rest.chat.deps import ChatDeps
from chairside.chatbot.language_model import LanguageModel
from chairside.chatbot.openai_model import OpenAiModel, OpenAiSettings
from chairside.chatbot.sealing import signing_key
from hub.config import Chat, Config


@asynccontextmanager
async def chat_deps(config: Config) -> AsyncIterator[ChatDeps]:
    """Until the block ends; without a model nothing is opened."""
    secret = config.chat.state_secret or config.auth.secret
    key = signing_key(secret) if secret else secrets.token_bytes(32)
    async with model_of(config.chat) as model:
        yield ChatDeps(key=key, model=model)


@asynccontextmanager
async def model_of(chat: Chat) -> AsyncIterator[LanguageModel | None]:
    """The configured language model, ``None`` by default."""
    if not chat.model_url:
        yield None
        return
    settings = OpenAiSettings(
        url=chat.model_url, model=chat.model, key=chat.model_key, timeout_s=chat.model_timeout_s
    )
    async with aiohttp.ClientSession() as session:
        yield OpenAiModel(settings, session)

"""A language model may help to understand, and nothing more; with a stand-in on a real port."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from chairside.chatbot.dialogue.state import DialogueState
from chairside.chatbot.language_model import CHOICES, LanguageModel, Question, act_of
from chairside.chatbot.understanding.acts import Intent
from hub.chat import ChatSettings, model_of
from hub.config import load_config
from hub.config_reader import ConfigError
from tests.unit.chatbot.talking import Talk
from tests.unit.chatbot.world import FACTS, local, shown_acts

RIDDLE = "grr the thing with the brush, mara, you know, next friday at 10"
CHOSEN = {
    "intent": "book",
    "treatment": "Cleaning",
    "dentist": "Dr. Mara Lindqvist",
    "option": None,
    "time": "next friday at 10",
}


class StandIn:
    """Answers like an OpenAI-compatible server, with a choice that the test sets."""

    def __init__(self) -> None:
        self.requests: list[Any] = []
        self.headers: list[Any] = []
        self.answer: Callable[[], web.Response] = lambda: completion(json.dumps(CHOSEN))

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append(await request.json())
        self.headers.append(dict(request.headers))
        return self.answer()


def completion(content: Any, **message: Any) -> web.Response:
    """A chat completion on the wire, as the API's reference shows it."""
    return web.json_response(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1_741_569_952,
            "model": "stand-in-1",
            "choices": [
                {
                    "index": 0,
                    "message": {
                        "role": "assistant",
                        "content": content,
                        "refusal": None,
                        **message,
                    },
                    "logprobs": None,
                    "finish_reason": "stop",
                }
            ],
            "usage": {"prompt_tokens": 19, "completion_tokens": 10, "total_tokens": 29},
        }
    )


@asynccontextmanager
async def stand_in(**settings: Any) -> AsyncIterator[tuple[StandIn, LanguageModel]]:
    script = StandIn()
    app = web.Application()
    app.router.add_post("/v1/chat/completions", script.handle)
    async with TestServer(app) as server, aiohttp.ClientSession() as session:
        url = str(server.make_url("/v1/"))
        yield script, LanguageModel(session, url=url, model="m", **settings)


async def test_a_message_the_rules_do_not_know_is_understood_with_help() -> None:
    assert "didn’t understand" in await Talk().send("grr the thing with the brush")
    async with stand_in(key="secret") as (script, model):
        talk = Talk(model)
        script.answer = lambda: completion(json.dumps({**CHOSEN, "time": None, "dentist": None}))
        assert "When would you like" in await talk.send("grr the thing with the brush")
        (request,) = script.requests
        assert request["model"] == "m"
        assert script.headers[0]["Authorization"] == "Bearer secret"
        schema = request["response_format"]["json_schema"]
        assert schema["strict"] is True
        assert schema["schema"]["additionalProperties"] is False
        assert set(schema["schema"]["required"]) == set(schema["schema"]["properties"])
        assert "yes" not in schema["schema"]["properties"]["intent"]["enum"]
        sent = json.dumps(request)
        assert "grr the thing with the brush" in sent
        assert "ada" not in sent.lower().replace("adapt", "")


async def test_a_model_gets_only_messages_that_the_rules_do_not_know() -> None:
    async with stand_in() as (script, model):
        await Talk(model).all("a cleaning with Mara on Friday at 10", "yes")
        assert script.requests == []


@pytest.mark.parametrize(
    "answer",
    [
        lambda: web.Response(status=500),
        lambda: web.Response(status=429, text="slow down"),
        lambda: web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"}),
        lambda: web.Response(text="<html>not JSON</html>"),
        lambda: completion(None, refusal="I cannot help with that"),
        lambda: completion("Sure! The patient wants a cleaning."),
        lambda: completion("[1, 2, 3]"),
        lambda: web.json_response({"choices": []}),
        lambda: completion("x" * 100_000),
        lambda: completion(json.dumps({**CHOSEN, "intent": "yes"})),
        lambda: completion(json.dumps({**CHOSEN, "intent": "delete_database"})),
        lambda: completion(json.dumps({**CHOSEN, "intent": ["book"]})),
    ],
)
async def test_a_model_that_is_away_or_confused_changes_nothing(
    answer: Callable[[], web.Response],
) -> None:
    async with stand_in() as (script, model):
        script.answer = answer
        talk = Talk(model)
        assert "didn’t understand" in await talk.send("grr the thing with the brush")
        assert len(script.requests) == 1
        assert talk.conversation.state.task is None


async def test_a_model_that_is_not_there_or_too_slow_changes_nothing() -> None:
    async with aiohttp.ClientSession() as session:
        unreachable = LanguageModel(session, url="http://127.0.0.1:9/v1", model="m")
        assert "didn’t understand" in await Talk(unreachable).send("grr")


async def test_a_model_cannot_confirm_anything() -> None:
    async with stand_in() as (script, model):
        talk = Talk(model)
        talk.has("mara", "2027-03-12 09:00")
        await talk.send("cancel my appointment")
        for intent in ("yes", "cancel", "inform"):
            script.answer = lambda intent=intent: completion(  # type: ignore[misc]  # mypy infers no lambda with a default
                json.dumps(dict.fromkeys(CHOSEN) | {"intent": intent})
            )
            await talk.send("zwrgl blah")
        assert await talk.booked() == ["cleaning mara 12.3. 09:00"]
        assert script.requests


def question(message: str = RIDDLE, options: int = 0) -> Question:
    return Question(
        message=message,
        intents=tuple(CHOICES),
        treatments=tuple(one.name for one in FACTS.treatments),
        dentists=tuple(one.name for one in FACTS.dentists),
        options=options,
    )


def chosen(answer: dict[str, Any], **choices: Any) -> str | None:
    act = act_of(answer, question(**choices), FACTS, local())
    return shown_acts((act,)) if act else None


def test_only_choices_and_the_patients_own_words_count() -> None:
    assert chosen(CHOSEN) == "book treatment=cleaning dentists=mara 19.3. at=10:00"
    assert chosen({**CHOSEN, "treatment": "Brain surgery", "dentist": "Dr. Evil"}) == (
        "book 19.3. at=10:00"
    )
    asked = "book treatment=cleaning dentists=mara unclear=friday at 10"
    assert chosen({**CHOSEN, "time": "tomorrow at 8"}) == asked, "the words that were left out"
    assert chosen({**CHOSEN, "time": 5, "option": "1"}) == asked
    inform = {"intent": "inform", "option": 2}
    assert chosen(inform, options=3) == "inform number=2 unclear=friday at 10"
    assert chosen(inform, message="grr that one", options=3) == "inform number=2"
    for option in (0, 4, -1, True, 2.0, None):
        assert chosen({**inform, "option": option}, options=3) is None
    assert chosen({"intent": Intent.YES}) is None
    assert chosen({}) is None


async def test_off_by_default_and_refused_when_half_configured() -> None:
    async with model_of(ChatSettings()) as model:
        assert model is None
    async with model_of(ChatSettings(model_url="http://127.0.0.1:9/v1", model="m")) as model:
        assert model is not None
    for wrong in (
        {"CHAIRSIDE_CHAT_MODEL_URL": "ftp://x", "CHAIRSIDE_CHAT_MODEL": "m"},
        {"CHAIRSIDE_CHAT_MODEL_URL": "https://x"},
        {"CHAIRSIDE_CHAT_STATE_SECRET": "short"},
    ):
        with pytest.raises(ConfigError):
            load_config(None, wrong)


def test_a_model_gets_nothing_about_appointments() -> None:
    from chairside.chatbot.language_model import question_for

    question = question_for("hello " * 1_000, DialogueState(id="c"), FACTS)
    assert len(question.message) <= 1_000
    assert question.options == 0

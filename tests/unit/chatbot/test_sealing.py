"""A conversation's state survives the journey to its client, and nothing else comes back."""

from datetime import timedelta

import jwt
import pytest

from api.schemas.chat import STATE_MAX_CHARS
from chairside.chatbot.dialogue.state import DialogueState
from chairside.chatbot.sealing import LIFE, sealed, signing_key, unsealed
from tests.support.tokens import SECRET, token
from tests.unit.chatbot.talking import Talk
from tests.unit.chatbot.world import WEDNESDAY

KEY = signing_key(SECRET)
MESSAGES = (
    "cleaning or check-up with Mara next Tuesday after 3, not before 2",
    "the later one",
    "cancel my appointment and book a filling in two weeks",
    "no",
    "move it an hour later",
    "show my appointments",
)


async def test_every_state_of_a_conversation_comes_back_as_it_was() -> None:
    talk = Talk()
    talk.has("mara", "2027-03-12 09:00")
    talk.has("james", "2027-03-16 11:00")
    for message in MESSAGES:
        await talk.send(message)
        state = talk.conversation.state
        text = sealed(state, "ada", KEY, WEDNESDAY)
        assert len(text) < STATE_MAX_CHARS / 3
        assert unsealed(text, "ada", KEY, WEDNESDAY) == state


@pytest.mark.parametrize(
    "text",
    ["", "nonsense", "a.b.c", token("patient", "ada"), "x" * 30_000],
    ids=["empty", "nonsense", "no JWT", "a token of the hub", "long"],
)
def test_what_was_not_sealed_here_is_no_state(text: str) -> None:
    assert unsealed(text, "ada", KEY, WEDNESDAY) is None


def test_a_state_belongs_to_one_patient_one_key_and_a_time() -> None:
    text = sealed(DialogueState(id="c"), "ada", KEY, WEDNESDAY)
    assert unsealed(text, "ada", KEY, WEDNESDAY + LIFE - timedelta(seconds=1)) is not None
    assert unsealed(text, "ada", KEY, WEDNESDAY + LIFE) is None
    assert unsealed(text, "bob", KEY, WEDNESDAY) is None
    assert unsealed(text, "ada", signing_key(SECRET + "2"), WEDNESDAY) is None
    assert unsealed(text[:-2] + "AA", "ada", KEY, WEDNESDAY) is None


def test_a_state_is_no_token_of_the_hub() -> None:
    text = sealed(DialogueState(id="c"), "ada", KEY, WEDNESDAY)
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(text, SECRET, algorithms=["HS256"], audience="chairside-chat")


@pytest.mark.parametrize(
    "other",
    [{"id": 5}, {}, {"id": "c", "surprise": 1}, {"id": "c", "task": {"goal": "fly"}}, 5, None],
)
def test_state_of_another_version_is_refused(other: object) -> None:
    def signed(state: object) -> str:
        claims = {"sub": "ada", "aud": "chairside-chat", "exp": WEDNESDAY + LIFE, "state": state}
        return jwt.encode(claims, KEY, algorithm="HS256")

    assert unsealed(signed(other), "ada", KEY, WEDNESDAY) is None
    assert unsealed(signed({"id": "c"}), "ada", KEY, WEDNESDAY) == DialogueState(id="c")

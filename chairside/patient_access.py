"""With which token, and for which patient, a chatbot's program uses a hub.

A chatbot acts for one patient, and the hub records that it did. So its token either names the
chatbot in an ``act`` claim (RFC 8693), or is a service token that is sent with the patient's id
(``docs/chatbot.md``).
"""

from dataclasses import dataclass, field
from typing import Final

import aiohttp
import jwt

from chairside.client import HubClient

NOT_DELEGATED: Final = (
    "this is the patient's own token, which would hide that a chatbot acts. Use a token with an"
    " `act` claim (`chairside token --role patient --subject ID --actor NAME`), or a chatbot's"
    " service token and the patient's id"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class PatientAccess:
    """The hub, the token, and with a service token the patient's id."""

    url: str
    token: str = field(repr=False)
    on_behalf_of: str | None = None

    @property
    def is_delegated(self) -> bool:
        """Whether the hub can record that a chatbot acts.

        The token is read without verification, which is the hub's task.
        """
        if self.on_behalf_of is not None:
            return True
        try:
            return "act" in jwt.decode(self.token, options={"verify_signature": False})
        except jwt.PyJWTError:
            return False

    def client(self, session: aiohttp.ClientSession) -> HubClient:
        return HubClient(
            self.url, token=self.token, on_behalf_of=self.on_behalf_of, session=session
        )

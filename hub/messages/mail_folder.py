"""Writes mails to a folder, in place of a mail server: for the demo."""

import asyncio
import os
from pathlib import Path

from actors.domain.message import MessageError
from actors.ports.clock import Clock
from actors.ports.messages import MailContent, NotAccepted
from hub.messages.mime import mime


class MailFolder:
    """Implements :class:`actors.ports.messages.MailTransport`: one ``.eml`` file for each mail.

    The file's name is that of the message, so a mail that is written again replaces itself.
    """

    def __init__(self, folder: Path, sender: str, clock: Clock) -> None:
        self._folder, self._sender, self._clock = folder, sender, clock

    async def send(self, mail: MailContent) -> None:
        content = mime(mail, sender=self._sender, at=self._clock.now())
        try:
            await asyncio.to_thread(self._write, mail.message_id, content)
        except OSError as error:
            raise NotAccepted(MessageError.UNREACHABLE) from error

    async def close(self) -> None:
        """Nothing is open."""

    def _write(self, message_id: str, content: bytes) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        name = message_id.strip("<>").partition("@")[0]
        draft = self._folder / f".{name}"
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)
        draft.replace(self._folder / f"{name}.eml")

"""The topics of one Supabase client: joining, renewing and leaving them.

Authorization is Socket.IO's, ``may_join``. A name that is not a channel of the hub may
carry ``postgres_changes`` only, and of these only rows that the database would show.
"""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

import orjson
import structlog

from actors.domain.channels import HUB_STATUS, Channel, is_reserved, may_join
from actors.domain.position import Position
from actors.domain.principal import Principal
from actors.domain.refusals import Forbidden, InvalidToken, NotFound, RateLimited
from actors.ports.events import EventRecord
from actors.services.identity import Claims
from api.realtime.rooms.expiry import Expiry
from api.realtime.rooms.frames import Send
from api.realtime.rooms.joins import CHANNELS_MAX, Joined
from api.realtime.rooms.subscribers import Batch
from api.realtime.supabase import messages
from api.realtime.supabase.deps import SupabaseDeps
from api.realtime.supabase.frames import Vsn
from api.realtime.supabase.joining import JoinRequest, Replay
from api.realtime.supabase.presence_registry import Halls
from api.realtime.supabase.protocol import Join, Leave, Renew
from api.realtime.supabase.topic import Topic

log = structlog.get_logger(__name__)

BINDINGS_OF_SOCKET_MAX: Final = 200
"""``postgres_changes`` of all topics of one socket: what it costs the hub in memory."""

Spawn = Callable[[Awaitable[None]], object]


class JoinRefused(Exception):
    """The text is what the client gets to read; ``code`` is for logs and figures."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class Subscriptions:
    """Of one socket. The caller lets no two of its coroutines overlap."""

    def __init__(
        self,
        deps: SupabaseDeps,
        halls: Halls,
        *,
        vsn: Vsn,
        key: str,
        write: Send,
        spawn: Spawn,
    ) -> None:
        self._deps, self._halls = deps, halls
        self._vsn, self._key, self._write, self._spawn = vsn, key, write, spawn
        self.topics: dict[str, Topic] = {}
        self._expiry: Expiry[Topic] = Expiry(
            deps.realtime.clock,
            notice_s=0,
            leeway_s=deps.realtime.settings.leeway_s,
            expiring=self._expired,
            expired=self._expired,
            spawn=spawn,
        )

    # --- coming ---

    async def join(self, action: Join) -> None:
        """Answer ``ok`` only when live: whatever is committed after it arrives.

        Raises :class:`JoinRefused`, or what the store raises: then nothing was joined. An
        earlier join of the topic has ended either way.
        """
        message, request = action.message, action.request
        if old := self.topics.get(message.topic):
            self._drop(old)
            if self._vsn is Vsn.TWO:  # version 1 cannot say which join it means
                old.say_closed()
        claims, principal = await self._authorized(message.topic, request)
        topic = self._topic(action, claims, principal)
        joined, replayed = await self._enter(topic, request)
        self.topics[topic.name] = topic
        reply = {"postgres_changes": orjson.Fragment(request.bindings_reply)}
        self._write(messages.ok(self._vsn, message, reply))
        if topic.presence:
            self._halls.watch(topic)
        if topic.bindings:
            topic.system("postgres_changes", "ok", "Subscribed to PostgreSQL")
        for record in replayed:
            topic.replay(record)
        self._deps.joins.release(joined)
        self._watch(topic)

    async def _authorized(self, name: str, request: JoinRequest) -> tuple[Claims, Principal]:
        try:
            claims, principal = await self._party(request.token or self._key)
            self._deps.realtime.limiter.take(principal.scope)
        except InvalidToken:
            raise JoinRefused(InvalidToken.code, "Unauthorized: Invalid token") from None
        except Forbidden as no:
            raise JoinRefused(no.code, f"Unauthorized: {no}") from None
        except RateLimited as no:
            reason = "ClientJoinRateLimitReached: Too many joins"
            raise JoinRefused(no.code, reason) from None
        self._check_limits(request)
        channel = name.removeprefix(messages.PREFIX)
        if not _may_carry(principal, channel, request):
            reason = "You do not have permissions to read from this Channel topic"
            raise JoinRefused(Forbidden.code, f"Unauthorized: {reason}: {channel}")
        return claims, principal

    def _check_limits(self, request: JoinRequest) -> None:
        if len(self.topics) >= CHANNELS_MAX:
            reason = f"ChannelRateLimitReached: At most {CHANNELS_MAX} channels on one socket"
            raise JoinRefused("TOO_MANY_CHANNELS", reason)
        bound = sum(len(topic.bindings) for topic in self.topics.values())
        if bound + len(request.bindings) > BINDINGS_OF_SOCKET_MAX:
            reason = f"ChannelRateLimitReached: At most {BINDINGS_OF_SOCKET_MAX} postgres_changes"
            raise JoinRefused("TOO_MANY_CHANNELS", f"{reason} on one socket")

    async def _party(self, token: str) -> tuple[Claims, Principal]:
        claims = await self._deps.realtime.verifier.verify(token)
        return claims, await self._deps.realtime.services.identity.principal(claims)

    def _topic(self, action: Join, claims: Claims, principal: Principal) -> Topic:
        request = action.request
        return Topic(
            vsn=self._vsn,
            membership=action.membership,
            principal=principal,
            claims=claims,
            bindings=request.bindings,
            presence_key=request.presence_key or self._deps.realtime.new_id(),
            presence=request.presence,
            write=self._write,
            behind=self._look_behind,
        )

    async def _enter(
        self, topic: Topic, request: JoinRequest
    ) -> tuple[Joined, Sequence[EventRecord]]:
        """Into the rooms, live events held, with the whole replay that was asked for."""
        wanted: dict[Channel, Position | None] = {}
        if topic.rows is not None:
            wanted[topic.rows] = None
        if topic.channel is not None:
            since = await self._since(topic, topic.channel, request.replay)
            wanted[topic.channel] = since
        joined = await self._deps.joins.join(topic, topic.principal, wanted)
        changes = next((c for c in joined.changes if c.channel == topic.channel), None)
        if request.replay is None or changes is None:
            return joined, ()
        if changes.more or not changes.recovered:
            self._deps.rooms.leave_all(topic)
            raise _incomplete(request.replay)
        return joined, changes.events[-(request.replay.limit or len(changes.events)) :]

    async def _since(
        self, topic: Topic, channel: Channel, replay: Replay | None
    ) -> Position | None:
        if replay is None:
            return None
        if channel == HUB_STATUS:
            raise _incomplete(replay)
        since = await self._deps.realtime.services.replays.place_before(
            topic.principal, channel, replay.since
        )
        if since is None:
            raise _incomplete(replay)
        return since

    # --- being there ---

    async def renew(self, action: Renew) -> None:
        """A new token: good, and what it may not have ends; bad, and the topic is closed."""
        topic = self.topics[action.message.topic]
        try:
            claims, principal = await self._party(action.token)
            if topic.channel is not None and not may_join(principal, topic.channel):
                raise Forbidden("You may not join this channel")
        except (InvalidToken, Forbidden, NotFound):
            topic.system("system", "error", "Unauthorized: the new token may not be here")
            self._drop(topic)
            topic.say_closed()
            raise
        if topic.closed:
            return
        self._deps.rights.forget(topic)
        before, topic.claims, topic.principal = topic.rows, claims, principal
        self._watch(topic)
        if topic.rows != before:
            try:
                await self._move(topic, before)
            except BaseException:  # it would hear nothing of its rows, and not know it
                self._fail(topic, "the rows of the new person cannot be told")
                raise

    def _watch(self, topic: Topic) -> None:
        """Until it is dropped: its token ends, its key is taken out, its person goes."""
        self._expiry.watch(topic)
        self._deps.rights.watch(topic, partial(self._expired, topic))

    async def _move(self, topic: Topic, before: Channel | None) -> None:
        """Somebody else is there now: from here on only what they may see."""
        if before is not None and before != topic.channel:
            self._deps.rooms.leave(topic, before)
        if topic.rows is not None and topic.rows != topic.channel:
            joined = await self._deps.joins.join(topic, topic.principal, {topic.rows: None})
            self._deps.joins.release(joined)

    def _look_behind(self, topic: Topic, channel: Channel, position: Position) -> None:
        """The hub is at ``position``: what this topic should have and has not, it gets now.

        Clients of this protocol know no positions, so nobody else could notice.
        """
        subscription = self._deps.rooms.subscription(topic, channel)
        if subscription is None or topic.healing:
            return
        if position > subscription.had:
            topic.healing = True
            subscription.hold()
            self._spawn(self._heal(topic, channel, subscription.had))

    async def _heal(self, topic: Topic, channel: Channel, since: Position) -> None:
        try:
            joined = await self._deps.joins.join(topic, topic.principal, {channel: since})
            if topic.closed:
                self._deps.rooms.leave_all(topic)
            elif all(each.recovered and not each.more for each in joined.changes):
                for each in joined.changes:
                    if each.events:
                        topic.deliver(Batch(each.events))
                self._deps.joins.release(joined)
            else:
                self._fail(topic, "events were missed: the client is to load anew")
        finally:
            topic.healing = False

    async def _expired(self, topic: Topic) -> None:
        if not topic.closed:
            topic.system("system", "error", "Unauthorized: the token has ended")
            self._fail(topic, "token ended")

    # --- going ---

    def leave(self, action: Leave) -> None:
        topic = self.topics[action.message.topic]
        self._drop(topic)
        self._write(messages.ok(self._vsn, action.message))
        topic.say_closed()

    def leave_all(self) -> None:
        for topic in list(self.topics.values()):
            self._drop(topic)

    def _fail(self, topic: Topic, why: str) -> None:
        log.info("supabase_topic_failed", why=why)
        self._drop(topic)
        topic.say_failed()

    def _drop(self, topic: Topic) -> None:
        self.topics.pop(topic.name, None)
        topic.closed = True
        self._expiry.forget(topic)
        self._deps.rights.forget(topic)
        self._deps.rooms.leave_all(topic)
        self._halls.leave(topic)


def _may_carry(principal: Principal, channel: str, request: JoinRequest) -> bool:
    if is_reserved(channel):
        return may_join(principal, Channel(channel))
    return bool(request.bindings) and request.replay is None


def _incomplete(replay: Replay) -> JoinRefused:
    reason = (
        "UnableToReplayMessages: the history since then is not complete, or too long;"
        " load the current state and join without replay"
    )
    return JoinRefused("REPLAY_INCOMPLETE", reason)

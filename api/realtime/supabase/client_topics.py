"""The joined topics of one Supabase client: joining, renewing and leaving them.

Authorization is the same as for Socket.IO. A topic whose name is not a channel of
the hub carries ``postgres_changes`` only, and of these only rows that the database would show.
"""

from collections.abc import Sequence
from functools import partial
from typing import Final

import orjson
import structlog

from actors.domain.channels import HUB_STATUS, Channel, is_reserved, parse_channel
from actors.domain.position import Position
from actors.domain.principal import Principal, Role
from actors.domain.refusals import Forbidden, InvalidToken, NotFound, RateLimited
from actors.ports.events import EventRecord
from actors.services.identity import Claims
from actors.tasks import Spawn
from api.realtime.rooms.connection_limit import ConnectionUsers
from api.realtime.rooms.deps import RealtimeDeps
from api.realtime.rooms.expiry import TokenExpiry
from api.realtime.rooms.frames import Send
from api.realtime.rooms.joins import CHANNELS_MAX, Joined
from api.realtime.rooms.subscribers import EventBatch
from api.realtime.supabase.frames import PREFIX, Vsn, ok_reply
from api.realtime.supabase.joining import JoinRequest, ReplayRequest
from api.realtime.supabase.patterns import SIZE_MAX
from api.realtime.supabase.presence_registry import PresenceRegistry
from api.realtime.supabase.protocol import Join, Leave, RenewToken
from api.realtime.supabase.topic import Topic

log = structlog.get_logger(__name__)

BINDINGS_OF_SOCKET_MAX: Final = 200
"""``postgres_changes`` of all topics of one socket; bounds the memory that they use."""


class JoinRefused(Exception):
    """The text is the reason for the client, ``code`` is for logs and metrics."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class ClientTopics:
    """The topics of one socket. The caller runs one of its coroutines at a time."""

    def __init__(
        self,
        deps: RealtimeDeps,
        presence: PresenceRegistry,
        *,
        vsn: Vsn,
        key: str,
        users: ConnectionUsers,
        write: Send,
        spawn: Spawn,
    ) -> None:
        self._deps, self._presence = deps, presence
        self._context = deps.context
        self._vsn, self._key, self._write, self._spawn = vsn, key, write, spawn
        self._users = users
        self.by_name: dict[str, Topic] = {}
        self._expiry: TokenExpiry[Topic] = TokenExpiry(
            deps.clock,
            notice_s=0,
            leeway_s=deps.verifier.leeway_s,
            announce=self._expired,
            end=self._expired,
        )

    # --- joining ---

    async def join(self, action: Join) -> None:
        """Joins a topic; after ``ok`` it receives every event that is committed later.

        Raises :class:`JoinRefused`, or an error of the store; the topic is then not joined. An
        earlier join of the topic ends in either case.
        """
        message, request = action.message, action.request
        if old := self.by_name.get(message.topic):
            self._drop(old)
            if self._vsn is Vsn.TWO:  # version 1 cannot name the join that has ended
                old.push_close()
        claims, principal = await self._authorize(message.topic, request)
        topic = Topic(
            vsn=self._vsn,
            join=action,
            claims=claims,
            principal=principal,
            presence_key=request.presence_key or self._deps.new_id(),
            presence=request.presence,
            write=self._write,
            on_position=self._on_position,
        )
        try:
            joined, replayed = await self._enter_rooms(topic, request)
        except BaseException:
            self._users.leave(principal.scope)
            raise
        self.by_name[topic.name] = topic
        response = {"postgres_changes": orjson.Fragment(request.bindings_reply)}
        self._write(ok_reply(self._vsn, message, response))
        if topic.presence:
            self._presence.watch(topic)
        if topic.bindings:
            topic.push_system("postgres_changes", "ok", "Subscribed to PostgreSQL")
        for record in replayed:
            topic.push_replayed(record)
        self._context.joins.release(joined)
        self._watch_rights(topic)

    async def _authorize(self, name: str, request: JoinRequest) -> tuple[Claims, Principal]:
        """Admits the principal of a new topic, as a user of the socket until it leaves it."""
        try:
            claims, principal = await self._authenticate(request.token or self._key)
            self._deps.limiter.take(principal.scope, principal.party)
        except InvalidToken:
            raise JoinRefused(InvalidToken.code, "Unauthorized: Invalid token") from None
        except Forbidden as refusal:
            raise JoinRefused(refusal.code, f"Unauthorized: {refusal}") from None
        except RateLimited as refusal:
            reason = "ClientJoinRateLimitReached: Too many joins"
            raise JoinRefused(refusal.code, reason) from None
        self._check_limits(request)
        channel = name.removeprefix(PREFIX)
        try:
            await self._check_channel(principal, channel, request)
        except (Forbidden, NotFound) as refusal:
            reason = "You do not have permissions to read from this Channel topic"
            raise JoinRefused(refusal.code, f"Unauthorized: {reason}: {channel}") from None
        try:
            self._users.enter(principal.scope)
        except RateLimited as refusal:
            raise JoinRefused(refusal.code, f"ConnectionRateLimitReached: {refusal}") from None
        return claims, principal

    async def _check_channel(self, principal: Principal, name: str, request: JoinRequest) -> None:
        """Raises Forbidden or NotFound for a topic that the principal may not join.

        Changes of rows come in one channel; those of staff are in one for each calendar.
        """
        if request.bindings and principal.role is Role.STAFF:
            raise Forbidden("Staff get no postgres_changes: join the channels of the calendars")
        if is_reserved(name):
            await self._deps.services.access.check(principal, (parse_channel(name),))
        elif not request.bindings or request.replay is not None:
            raise Forbidden("A topic of this name carries postgres_changes only")

    def _check_limits(self, request: JoinRequest) -> None:
        if len(self.by_name) >= CHANNELS_MAX:
            reason = f"ChannelRateLimitReached: At most {CHANNELS_MAX} channels on one socket"
            raise JoinRefused("TOO_MANY_CHANNELS", reason)
        bindings = [*request.bindings]
        for topic in self.by_name.values():
            bindings += topic.bindings
        if len(bindings) > BINDINGS_OF_SOCKET_MAX:
            reason = f"ChannelRateLimitReached: At most {BINDINGS_OF_SOCKET_MAX} postgres_changes"
            raise JoinRefused("TOO_MANY_CHANNELS", f"{reason} on one socket")
        if sum(binding.size for binding in bindings) > SIZE_MAX:
            reason = "ChannelRateLimitReached: The patterns of all filters are too large"
            raise JoinRefused("TOO_MANY_CHANNELS", f"{reason} on one socket")

    async def _authenticate(self, token: str) -> tuple[Claims, Principal]:
        claims = await self._deps.verifier.verify(token)
        return claims, await self._deps.services.identity.principal(claims)

    async def _enter_rooms(
        self, topic: Topic, request: JoinRequest
    ) -> tuple[Joined, Sequence[EventRecord]]:
        """Enters the rooms with live events held; also returns the requested replay."""
        since: dict[Channel, Position | None] = {}
        if topic.rows is not None:
            since[topic.rows] = None
        if topic.channel is not None:
            since[topic.channel] = await self._replay_from(topic, topic.channel, request.replay)
        joined = await self._context.joins.join(topic, topic.principal, since)
        changes = next((c for c in joined.changes if c.channel == topic.channel), None)
        if request.replay is None or changes is None:
            return joined, ()
        if changes.more or not changes.recovered:
            self._context.rooms.leave_all(topic)
            raise _incomplete_replay()
        return joined, changes.events[-(request.replay.limit or len(changes.events)) :]

    async def _replay_from(
        self, topic: Topic, channel: Channel, replay: ReplayRequest | None
    ) -> Position | None:
        if replay is None:
            return None
        if channel == HUB_STATUS:
            raise _incomplete_replay()
        since = await self._deps.services.replays.place_before(
            topic.principal, channel, replay.since
        )
        if since is None:
            raise _incomplete_replay()
        return since

    # --- while joined ---

    async def renew(self, action: RenewToken) -> None:
        """Gives the topic a new token; closes it if the token may not join it."""
        topic = self.by_name[action.message.topic]
        try:
            claims, principal = await self._authenticate(action.token)
            if topic.channel is not None:
                await self._deps.services.access.check(principal, (topic.channel,))
        except (InvalidToken, Forbidden, NotFound):
            topic.push_system("system", "error", "Unauthorized: the new token may not join it")
            self._drop(topic)
            topic.push_close()
            raise
        if topic.closed:
            return
        self._users.enter(principal.scope)
        self._users.leave(topic.principal.scope)
        self._context.revocations.forget(topic)
        before, topic.claims, topic.principal = topic.rows, claims, principal
        self._watch_rights(topic)
        if topic.rows != before:
            try:
                await self._change_rows(topic, before)
            except BaseException:  # without its rows the topic would miss events silently
                self._fail(topic, "the rows of the new person cannot be read")
                raise

    def _watch_rights(self, topic: Topic) -> None:
        """Ends the topic when its token expires, its key is removed or its person leaves."""
        self._expiry.watch(topic)
        self._context.revocations.watch(topic, partial(self._expired, topic))

    async def _change_rows(self, topic: Topic, before: Channel | None) -> None:
        """The token is of another person now: subscribes the topic to that person's rows."""
        if before is not None and before != topic.channel:
            self._context.rooms.leave(topic, before)
        if topic.rows is not None and topic.rows != topic.channel:
            joined = await self._context.joins.join(topic, topic.principal, {topic.rows: None})
            self._context.joins.release(joined)

    def _on_position(self, topic: Topic, channel: Channel, position: Position) -> None:
        """Begins a catch-up if the hub is ahead of the topic in the channel.

        Clients of this protocol do not know positions, so only the hub can notice a gap.
        """
        subscription = self._context.rooms.subscription(topic, channel)
        if subscription is None or topic.catching_up:
            return
        if position > subscription.sent:
            topic.catching_up = True
            subscription.hold()
            self._spawn(self._catch_up(topic, channel, subscription.sent))

    async def _catch_up(self, topic: Topic, channel: Channel, since: Position) -> None:
        try:
            joined = await self._context.joins.join(topic, topic.principal, {channel: since})
            if topic.closed:
                self._context.rooms.leave_all(topic)
            elif all(each.recovered and not each.more for each in joined.changes):
                for each in joined.changes:
                    if each.events:
                        topic.deliver(EventBatch(each.events))
                self._context.joins.release(joined)
            else:
                self._fail(topic, "missed events are no longer in the log")
        finally:
            topic.catching_up = False

    def _expired(self, topic: Topic) -> None:
        if not topic.closed:
            topic.push_system("system", "error", "Unauthorized: the token has expired")
            self._fail(topic, "token expired")

    # --- leaving ---

    def leave(self, action: Leave) -> None:
        topic = self.by_name[action.message.topic]
        self._drop(topic)
        self._write(ok_reply(self._vsn, action.message))
        topic.push_close()

    def leave_all(self) -> None:
        for topic in list(self.by_name.values()):
            self._drop(topic)

    def _fail(self, topic: Topic, why: str) -> None:
        log.info("supabase_topic_failed", why=why)
        self._drop(topic)
        topic.push_error()

    def _drop(self, topic: Topic) -> None:
        if topic.closed:
            return
        del self.by_name[topic.name]
        topic.closed = True
        self._users.leave(topic.principal.scope)
        self._expiry.forget(topic)
        self._context.revocations.forget(topic)
        self._context.rooms.leave_all(topic)
        self._presence.leave(topic)


def _incomplete_replay() -> JoinRefused:
    reason = (
        "UnableToReplayMessages: the history since then is not complete, or too long;"
        " load the current state and join without replay"
    )
    return JoinRefused("REPLAY_INCOMPLETE", reason)

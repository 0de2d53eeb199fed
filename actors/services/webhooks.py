"""Webhooks: listed, created, changed and deleted by their owners.

An owner is a chatbot, for itself or for one patient, or an admin. Calls are decided with the
owner's rights; each delivery is decided with them again (``delivery_rights``). Admins list and
disable everyone's, patients list and delete those that concern them.
"""

import secrets
from base64 import b64encode
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from actors.domain.announcements import WebhookBody
from actors.domain.channels import Channel, own_channels
from actors.domain.commands import Unset
from actors.domain.events import WebhookDeleted, WebhookSaved
from actors.domain.position import Position
from actors.domain.principal import Principal, Role
from actors.domain.refusals import Forbidden, NotFound, ValidationFailed, VersionConflict
from actors.domain.webhook import (
    DeliveryProgress,
    DisabledReason,
    Webhook,
    WebhookId,
    WebhookStatus,
    check_channels,
    check_owner,
    concerned_patient,
)
from actors.ports import webhooks as ports
from actors.ports.clock import Clock
from actors.ports.commits import Reply
from actors.ports.events import EventLog
from actors.services import requests
from actors.services.caller import Caller
from actors.services.channel_access import ChannelAccess
from actors.services.records import Records, retried

SECRET_BYTES = 32
SECRET_PREFIX = "whsec_"  # noqa: S105  # the prefix of secrets (Standard Webhooks), none itself


class Webhooks:
    """Manages the webhooks of an owner."""

    def __init__(
        self,
        *,
        reads: ports.WebhookReads,
        queue: ports.WebhookQueue,
        records: Records,
        access: ChannelAccess,
        events: EventLog,
        dispatcher: ports.WebhookDispatcher,
        clock: Clock,
        old_secret_kept: timedelta,
        lifetime: timedelta,
    ) -> None:
        """``lifetime``: how long a webhook lasts unless it is renewed."""
        self._reads, self._queue, self._records = reads, queue, records
        self._events, self._dispatcher, self._clock = events, dispatcher, clock
        self._old_secret_kept, self._lifetime, self._access = old_secret_kept, lifetime, access

    # --- reading -----------------------------------------------------------------------

    async def page(
        self,
        principal: Principal,
        *,
        limit: int,
        after: WebhookId | None,
        party: str | None = None,
        everyones: bool = False,
    ) -> ports.WebhookPage:
        """One's own; a patient's are those that concern them, and an admin may list all."""
        is_patient = concerned_patient(principal) is not None
        if not is_patient:
            check_owner(principal)
            if (everyones or party is not None) and principal.role is not Role.ADMIN:
                raise Forbidden("Only an admin may list the webhooks of others")
        return await self._reads.page(
            principal,
            limit=limit,
            after=after,
            party=party,
            everyones=everyones or is_patient or party is not None,
        )

    async def get(self, principal: Principal, webhook_id: WebhookId) -> ports.WebhookView:
        """Raises NotFound, also for a webhook that the principal may not see."""
        if concerned_patient(principal) is None:
            check_owner(principal)
        view = await self._reads.get(principal, webhook_id)
        if view is None:
            raise NotFound("webhook")
        return view

    async def _own(self, principal: Principal, webhook_id: WebhookId) -> ports.WebhookView:
        """One that the principal owns; raises NotFound, and Forbidden for one they only see."""
        view = await self.get(principal, webhook_id)
        _checked_own(principal, view)
        return view

    async def deliveries(
        self, principal: Principal, webhook_id: WebhookId, *, limit: int
    ) -> Sequence[ports.WebhookDelivery]:
        await self._own(principal, webhook_id)
        return await self._reads.deliveries(principal, webhook_id, limit=limit)

    # --- changing ----------------------------------------------------------------------

    async def create(
        self, caller: Caller, new: requests.NewWebhook, grant: requests.WebhookGrant
    ) -> Reply:
        """A webhook that receives everything from now on.

        Only this reply shows a secret that was generated here. Raises Forbidden and
        ValidationFailed.
        """
        principal = caller.principal
        check_owner(principal)
        chosen = await self._channels(principal, new.channels)
        await self._dispatcher.check(new.url)
        now = self._clock.now()
        webhook = Webhook(
            id=WebhookId(self._records.new_id()),
            owner=principal,
            url=new.url,
            channels=chosen,
            description=new.description,
            rights_until=grant.rights_until,
            key_id=grant.key_id,
            expires_at=now + self._lifetime,
            created_at=now,
            updated_at=now,
        )
        request = {**requests.all_fields(new), "channels": chosen}
        key = self._records.key(caller, "webhook:create", request)
        progress = await self._from_now(principal, chosen)
        secret = new.secret or new_secret()
        event = WebhookSaved(before=None, after=webhook, secret=secret, moved_to=progress)
        shown = None if new.secret else secret
        body = WebhookBody(webhook=webhook, progress=progress, secret=shown)
        reply = await self._records.save(caller, key, event, body)
        self._dispatcher.changed(webhook.id)
        return reply

    async def change(
        self,
        caller: Caller,
        webhook_id: WebhookId,
        change: requests.WebhookChange,
        grant: requests.WebhookGrant,
        *,
        expected_version: int | None = None,
    ) -> Reply:
        """Change what was sent, and renew: from now on it depends on the key of this request.

        A delegation that lasts longer now renews the old one. A webhook that becomes active
        retries failed deliveries at once. An admin may stop another owner's webhook, and start
        again what an admin stopped.
        """

        async def edit(before: ports.WebhookView) -> WebhookSaved:
            after = before.webhook
            if not _is_own(caller.principal, after):
                return self._overruled(caller.principal, after, change)
            if after.disabled_reason is DisabledReason.BY_ADMIN and change.status == "active":
                raise Forbidden("An admin has disabled this webhook")
            after, fresh = await self._redirected(caller.principal, before, change)
            after = self._with_status(after, requests.sent_or(change.status, after.status))
            after = replace(
                after,
                rights_until=_later(after.rights_until, grant.rights_until),
                key_id=grant.key_id,
                expires_at=self._clock.now() + self._lifetime,
            )
            return WebhookSaved(
                before=before.webhook,
                after=after,
                moved_to=fresh,
                retries_now=change.status is WebhookStatus.ACTIVE,
            )

        sent = requests.sent_fields(change)
        return await self._edit(caller, webhook_id, "update", sent, expected_version, edit)

    async def _redirected(
        self, principal: Principal, before: ports.WebhookView, change: requests.WebhookChange
    ) -> tuple[Webhook, tuple[DeliveryProgress, ...]]:
        """The webhook with another receiver, channels and description, where they were sent.

        Also the positions of the channels that are new to it.
        """
        after = before.webhook
        fresh: tuple[DeliveryProgress, ...] = ()
        if not isinstance(change.url, Unset) and change.url != after.url:
            await self._dispatcher.check(change.url)
            after = replace(after, url=change.url)
        if not isinstance(change.channels, Unset):
            chosen = await self._channels(principal, change.channels)
            after = replace(after, channels=chosen)
            known = {place.channel for place in before.progress}
            fresh = await self._from_now(
                principal, [name for name in after.channels if name not in known]
            )
        description = requests.sent_or(change.description, after.description)
        return replace(after, description=description), fresh

    async def rotate(
        self, caller: Caller, webhook_id: WebhookId, rotation: requests.SecretRotation
    ) -> Reply:
        """Replace the secret; for a while deliveries are signed with the old one, too."""
        secret = rotation.secret or new_secret()
        until = self._clock.now() + self._old_secret_kept

        async def edit(before: ports.WebhookView) -> WebhookSaved:
            webhook = _checked_own(caller.principal, before)
            return WebhookSaved(
                before=webhook, after=webhook, secret=secret, old_secrets_until=until
            )

        request = {"secret": rotation.secret}
        shown = not rotation.secret
        return await self._edit(
            caller, webhook_id, "rotate", request, None, edit, shows_secret=shown
        )

    async def replay(
        self, caller: Caller, webhook_id: WebhookId, replay: requests.WebhookReplay
    ) -> Reply:
        """Continue after ``since``: deliver later events again, or skip those up to it.

        Raises ValidationFailed for a position that the history does not reach.
        """
        channel, since = replay.channel, replay.since

        async def edit(before: ports.WebhookView) -> WebhookSaved:
            webhook = _checked_own(caller.principal, before)
            if channel not in webhook.channels:
                raise ValidationFailed.of("channel", "is no channel of this webhook")
            place = await self._place(caller.principal, channel, since)
            return WebhookSaved(before=webhook, after=webhook, moved_to=(place,))

        request = {"channel": channel, "epoch": since.epoch, "offset": since.offset}
        return await self._edit(caller, webhook_id, "replay", request, None, edit)

    async def delete(
        self, caller: Caller, webhook_id: WebhookId, *, expected_version: int | None = None
    ) -> Reply:
        """Delete it with its deliveries: by its owner, or by the patient whom it concerns."""
        request = {"id": webhook_id, "version": expected_version}
        key = self._records.key(caller, "webhook:delete", request)
        before = await self._current(caller, webhook_id, expected_version)
        if concerned_patient(caller.principal) is None:
            _checked_own(caller.principal, before)
        reply = await self._records.save(caller, key, WebhookDeleted(before=before.webhook), None)
        self._dispatcher.changed(webhook_id)
        return reply

    async def ping(self, caller: Caller, webhook_id: WebhookId) -> ports.Attempt:
        """Send one test event at once, without queueing or retries, and return the result."""
        await self._own(caller.principal, webhook_id)
        target = await self._queue.target(webhook_id, self._clock.now())
        if target is None:
            raise NotFound("webhook")  # deleted just now
        return await self._dispatcher.ping(target)

    # --- within ------------------------------------------------------------------------

    async def _edit(
        self,
        caller: Caller,
        webhook_id: WebhookId,
        operation: str,
        request: Mapping[str, object],
        expected_version: int | None,
        edit: Callable[[ports.WebhookView], Awaitable[WebhookSaved]],
        *,
        shows_secret: bool = False,
    ) -> Reply:
        sent = {**request, "id": webhook_id, "version": expected_version}
        key = self._records.key(caller, f"webhook:{operation}", sent)

        async def save() -> Reply:
            before = await self._current(caller, webhook_id, expected_version)
            event = await edit(before)
            version, now = before.webhook.version + 1, self._clock.now()
            event = replace(event, after=replace(event.after, updated_at=now, version=version))
            body = WebhookBody(
                webhook=event.after,
                reader=caller.principal,
                progress=_progress(before, event),
                secret=event.secret if shows_secret else None,
            )
            return await self._records.save(caller, key, event, body)

        reply = await retried(expected_version, save)
        self._dispatcher.changed(webhook_id)
        return reply

    async def _current(
        self, caller: Caller, webhook_id: WebhookId, expected_version: int | None
    ) -> ports.WebhookView:
        view = await self.get(caller.principal, webhook_id)
        if expected_version not in (None, view.webhook.version):
            raise VersionConflict(view.webhook.version)
        return view

    async def _channels(
        self, principal: Principal, wanted: tuple[Channel, ...] | None
    ) -> tuple[Channel, ...]:
        """The wanted channels, or own ones; raises what :class:`ChannelAccess` raises."""
        channels = own_channels(principal) if wanted is None else wanted
        check_channels(principal, channels)
        await self._access.check(principal, channels)
        return channels

    async def _from_now(
        self, by: Principal, channels: Sequence[Channel]
    ) -> tuple[DeliveryProgress, ...]:
        heads = await self._events.heads(channels, by) if channels else {}
        return tuple(
            DeliveryProgress(channel=name, position=heads[name]) for name in sorted(channels)
        )

    async def _place(self, by: Principal, channel: Channel, since: Position) -> DeliveryProgress:
        head = (await self._events.heads([channel], by))[channel]
        if since.epoch != head.epoch or since.offset > head.offset:
            raise ValidationFailed.of("since", f"the channel is at {head}")
        oldest = await self._events.oldest(channel)
        first = head if oldest is None else Position(head.epoch, oldest - 1)
        if since < first:
            raise ValidationFailed.of("since", f"history reaches back to {first}")
        return DeliveryProgress(channel=channel, position=since)

    def _overruled(
        self, admin: Principal, before: Webhook, change: requests.WebhookChange
    ) -> WebhookSaved:
        """Another owner's webhook, as an admin stops it or starts it again."""
        is_only_status = requests.sent_fields(change).keys() == {"status"}
        if admin.role is not Role.ADMIN or isinstance(change.status, Unset) or not is_only_status:
            raise Forbidden("Only its owner may do this")
        was_by_admin = before.disabled_reason is DisabledReason.BY_ADMIN
        if change.status is WebhookStatus.ACTIVE and not was_by_admin:
            raise Forbidden("Only its owner may start it again")
        after = self._with_status(before, change.status, DisabledReason.BY_ADMIN)
        return WebhookSaved(before=before, after=after)

    def _with_status(
        self,
        webhook: Webhook,
        status: WebhookStatus,
        reason: DisabledReason = DisabledReason.BY_OWNER,
    ) -> Webhook:
        if status is webhook.status:
            return webhook
        if status is WebhookStatus.ACTIVE:
            return replace(webhook, status=status, disabled_reason=None, disabled_at=None)
        return replace(
            webhook, status=status, disabled_reason=reason, disabled_at=self._clock.now()
        )


def _is_own(principal: Principal, webhook: Webhook) -> bool:
    return webhook.owner.scope == principal.scope


def _checked_own(principal: Principal, view: ports.WebhookView) -> Webhook:
    if not _is_own(principal, view.webhook):
        raise Forbidden("Only its owner may do this")
    return view.webhook


def _progress(before: ports.WebhookView, event: WebhookSaved) -> tuple[DeliveryProgress, ...]:
    """The progress of the channels after the change; none to an admin who overrules the owner."""
    places = {place.channel: place for place in before.progress}
    if event.retries_now:
        places = {
            name: replace(place, attempts=0, failing_since=None, next_attempt_at=None)
            for name, place in places.items()
        }
    places |= {place.channel: place for place in event.moved_to}
    return tuple(places[name] for name in sorted(event.after.channels) if name in places)


def new_secret() -> str:
    """A random secret in the form of Standard Webhooks."""
    return SECRET_PREFIX + b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    """The later end of rights. A webhook has one kind of owner: both ends are set, or none."""
    return max(one, other) if one and other else other

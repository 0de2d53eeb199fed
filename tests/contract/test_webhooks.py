"""Webhooks in the store: whose they are, where they are, and what became of deliveries."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from actors.domain.channels import AVAILABILITY_ALL, Channel, patient_channel
from actors.domain.events import WebhookDeleted, WebhookSaved
from actors.domain.ids import PatientId
from actors.domain.principal import Principal, Role
from actors.domain.refusals import Forbidden, NotFound, VersionConflict
from actors.domain.webhook import DisabledReason, Webhook, WebhookStatus
from store.commit import webhook_commit
from store.engine import Store
from tests.contract.clinic import ADMIN, DAY, Clinic
from tests.contract.engines import Database
from tests.contract.hooks import at, delivery, webhook

BOT = Principal(role=Role.CHATBOT, subject="bot")
TABLES = ("webhooks", "webhook_secrets", "webhook_cursors", "webhook_deliveries")


async def made(clinic: Clinic, owner: Principal = BOT, *channels: Channel) -> Webhook:
    hook = webhook(clinic, owner, *channels)
    places = tuple(at(channel, 5) for channel in hook.channels)
    event = WebhookSaved(before=None, after=hook, secret="whsec_1", moved_to=places)
    await clinic.save(event, by=owner)
    return hook


async def test_webhook_is_read_by_its_owner_only(clinic: Clinic, store: Store) -> None:
    pat, pia = await clinic.add_patient("Pat"), await clinic.add_patient("Pia")
    owner = Principal(role=Role.PATIENT, subject="bot", person=pat.id, acting="bot")
    channel = patient_channel(PatientId(pat.id))
    hook = await made(clinic, owner, channel, AVAILABILITY_ALL)
    view = await store.webhooks.get(owner, hook.id)
    assert view is not None
    assert view.webhook == hook
    assert view.progress == (at(channel, 5), at(AVAILABILITY_ALL, 5))
    others = [
        BOT,
        replace(owner, person=pia.id),
        replace(owner, subject="x", acting="x"),
    ]
    for other in others:
        assert await store.webhooks.get(other, hook.id) is None
        assert (await store.webhooks.page(other, limit=10, after=None)).total == 0
        assert await store.webhooks.deliveries(other, hook.id, limit=10) == []


async def test_a_list_goes_on_where_the_page_before_ended(clinic: Clinic, store: Store) -> None:
    hooks = [await made(clinic) for _ in range(5)]
    first = await store.webhooks.page(BOT, limit=3, after=None)
    rest = await store.webhooks.page(BOT, limit=3, after=first.next_after)
    assert [v.webhook.id for v in (*first.webhooks, *rest.webhooks)] == [h.id for h in hooks]
    assert (first.total, rest.next_after) == (5, None)
    now = clinic.clock.now()
    page = await store.webhooks.active(after=hooks[1].id, limit=2, now=now)
    assert [target.view.webhook.id for target in page] == [hooks[2].id, hooks[3].id]


async def test_a_change_needs_the_version_it_was_made_for(clinic: Clinic, store: Store) -> None:
    hook = await made(clinic)
    after = replace(hook, url="https://bot.example/new", version=2)
    await clinic.save(WebhookSaved(before=hook, after=after), by=BOT)
    with pytest.raises(VersionConflict):
        await clinic.save(WebhookSaved(before=hook, after=after), by=BOT)
    view = await store.webhooks.get(BOT, hook.id)
    assert view is not None
    assert view.webhook == after


async def test_a_channel_that_is_left_loses_its_place_and_a_new_one_gets_its_own(
    clinic: Clinic, store: Store
) -> None:
    old, kept, new = (Channel(f"availability:dentist:{name}") for name in "abc")
    hook = await made(clinic, BOT, old, kept)
    after = replace(hook, channels=(kept, new), version=2)
    await clinic.save(WebhookSaved(before=hook, after=after, moved_to=(at(new, 9),)), by=BOT)
    view = await store.webhooks.get(BOT, hook.id)
    assert view is not None
    assert view.progress == (at(kept, 5), at(new, 9))


async def test_a_place_moves_only_from_where_it_was_known_to_be(
    clinic: Clinic, store: Store
) -> None:
    hook = await made(clinic)
    known = at(AVAILABILITY_ALL, 5)
    rewound = replace(hook, version=2)
    await clinic.save(
        WebhookSaved(before=hook, after=rewound, moved_to=(at(AVAILABILITY_ALL, 2),)), by=BOT
    )
    noted = delivery(clinic, AVAILABILITY_ALL, 6)
    moved = at(AVAILABILITY_ALL, 6, moves=1)
    assert not await store.webhooks.record(hook.id, known, moved, noted)
    assert await store.webhooks.deliveries(BOT, hook.id, limit=10) == []
    view = await store.webhooks.get(BOT, hook.id)
    assert view is not None
    assert view.progress == (at(AVAILABILITY_ALL, 2, moves=1),)
    (known,) = view.progress
    assert await store.webhooks.record(hook.id, known, replace(moved, moves=2), noted)
    assert await store.webhooks.deliveries(BOT, hook.id, limit=10) == [noted]


async def test_the_attempts_of_an_event_are_one_delivery(clinic: Clinic, store: Store) -> None:
    hook = await made(clinic)
    failed = delivery(clinic, AVAILABILITY_ALL, 6, delivered=False)
    failing = replace(
        at(AVAILABILITY_ALL, 5, attempts=1, moves=1),
        failing_since=clinic.clock.now(),
        next_attempt_at=clinic.clock.now() + timedelta(seconds=5),
    )
    assert await store.webhooks.record(hook.id, at(AVAILABILITY_ALL, 5), failing, failed)
    view = await store.webhooks.get(BOT, hook.id)
    assert view is not None
    assert view.progress == (failing,)
    first_at = clinic.clock.now()
    clinic.clock.advance(timedelta(seconds=6))
    done = replace(delivery(clinic, AVAILABILITY_ALL, 6, attempts=2), first_at=first_at)
    assert await store.webhooks.record(hook.id, failing, at(AVAILABILITY_ALL, 6, moves=2), done)
    assert await store.webhooks.deliveries(BOT, hook.id, limit=10) == [done]


async def test_retry_resets_failures_and_keeps_the_position(clinic: Clinic, store: Store) -> None:
    hook = await made(clinic)
    failing = replace(
        at(AVAILABILITY_ALL, 5, attempts=9, moves=1), failing_since=clinic.clock.now()
    )
    await store.webhooks.record(hook.id, at(AVAILABILITY_ALL, 5), failing, None)
    after = replace(hook, version=2)
    await clinic.save(WebhookSaved(before=hook, after=after, retries_now=True), by=BOT)
    view = await store.webhooks.get(BOT, hook.id)
    assert view is not None
    assert view.progress == (at(AVAILABILITY_ALL, 5, moves=1),)


async def test_old_secrets_sign_along_until_their_time_is_over(
    clinic: Clinic, store: Store, database: Database
) -> None:
    hook = await made(clinic)
    for number, hours in ((2, 24), (3, 1)):
        now = clinic.clock.now()
        before, hook = hook, replace(hook, version=number, updated_at=now)
        until = now + timedelta(hours=hours)
        secret = f"whsec_{number}"
        await clinic.save(
            WebhookSaved(before=before, after=hook, secret=secret, old_secrets_until=until),
            by=BOT,
        )

    async def secrets() -> tuple[str, ...]:
        target = await store.webhooks.target(hook.id, clinic.clock.now())
        assert target is not None
        return target.secrets

    assert await secrets() == ("whsec_3", "whsec_2", "whsec_1")
    clinic.clock.advance(timedelta(hours=2))
    assert await secrets() == ("whsec_3",)
    now = clinic.clock.now()
    last = replace(hook, version=4, updated_at=now)
    event = WebhookSaved(before=hook, after=last, secret="whsec_4", old_secrets_until=now + DAY)
    await clinic.save(event, by=BOT)
    assert len(database.query("SELECT number FROM webhook_secrets")) == 2, "no use, not kept"


async def test_hub_disables_a_webhook_once_and_audits_it(
    clinic: Clinic, store: Store, database: Database
) -> None:
    hook = await made(clinic)
    now = clinic.clock.now()
    disabled = await store.webhooks.disable(hook, DisabledReason.FAILING, now)
    assert disabled is not None
    assert (disabled.status, disabled.version) == (WebhookStatus.DISABLED, 2)
    assert await store.webhooks.disable(hook, DisabledReason.GONE, now) is None
    assert await store.webhooks.active(after=None, limit=10, now=now) == []
    audited = database.query(
        "SELECT action, role, subject, new_status FROM audit_log WHERE resource_id = ? ORDER BY id",
        hook.id,
    )
    assert audited == [
        ("webhook.saved", "chatbot", "bot", "active"),
        ("webhook.disabled", "system", "system", "disabled"),
    ]


async def test_a_deleted_webhook_leaves_nothing_but_its_audit(
    clinic: Clinic, store: Store, database: Database
) -> None:
    pat = await clinic.add_patient("Pat")
    owner = Principal(role=Role.PATIENT, subject="bot", person=pat.id, acting="bot")
    hook, other = await made(clinic, owner), await made(clinic)
    noted = delivery(clinic, AVAILABILITY_ALL, 6)
    moved = at(AVAILABILITY_ALL, 6, moves=1)
    await store.webhooks.record(hook.id, at(AVAILABILITY_ALL, 5), moved, noted)
    await clinic.save(WebhookDeleted(before=hook), by=owner)
    assert await store.webhooks.get(owner, hook.id) is None
    for table in TABLES:
        column = "id" if table == "webhooks" else "webhook_id"
        assert {row[0] for row in database.query(f"SELECT {column} FROM {table}")} <= {other.id}  # noqa: S608  # our own names
    assert not await store.webhooks.record(hook.id, moved, replace(moved, moves=2), noted)
    with pytest.raises(NotFound):
        await clinic.save(WebhookDeleted(before=hook), by=owner)


async def test_one_party_has_a_bounded_number_of_webhooks_all_its_patients_together(
    clinic: Clinic, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_commit, "WEBHOOKS_MAX", 2)
    pat = await clinic.add_patient("Pat")
    await made(clinic)
    await made(clinic, Principal(role=Role.PATIENT, subject="bot", person=pat.id, acting="bot"))
    with pytest.raises(Forbidden, match="At most 2"):
        await made(clinic)
    await made(clinic, Principal(role=Role.CHATBOT, subject="another"))


async def test_concurrent_requests_cannot_exceed_the_limit_of_party_and_patient(
    clinic: Clinic, database: Database
) -> None:
    pat, pia = await clinic.add_patient("Pat"), await clinic.add_patient("Pia")
    limit = webhook_commit.WEBHOOKS_PER_PATIENT_MAX
    for_pat, for_pia = (
        Principal(role=Role.PATIENT, subject="bot", person=each.id, acting="bot")
        for each in (pat, pia)
    )
    for _ in range(limit - 2):
        await made(clinic, for_pat)
    made_at_once = (made(clinic, for_pat) for _ in range(6))
    results = await asyncio.gather(*made_at_once, return_exceptions=True)
    refused = [each for each in results if isinstance(each, BaseException)]
    assert [type(each) for each in refused] == [Forbidden] * 4
    assert str(refused[0]) == f"At most {limit} webhooks can be had for one patient"
    await made(clinic, for_pia)
    await made(clinic, replace(for_pat, subject="another", acting="another"))
    ((count,),) = database.query("SELECT count(*) FROM webhooks WHERE owner = ?", "chatbot:bot")
    assert count == limit + 1


async def test_a_webhook_that_was_renewed_meanwhile_is_not_disabled(
    clinic: Clinic, store: Store
) -> None:
    before = await made(clinic)
    renewed = replace(before, key_id="key-2", version=2)
    await clinic.save(WebhookSaved(before=before, after=renewed), by=BOT)
    now = clinic.clock.now()
    assert await store.webhooks.disable(before, DisabledReason.KEY_REMOVED, now) is None
    (target,) = await store.webhooks.active(after=None, limit=10, now=now)
    assert target.view.webhook == renewed


async def test_admins_and_the_patient_concerned_see_a_webhook_and_others_do_not(
    clinic: Clinic, store: Store
) -> None:
    pat, pia = await clinic.add_patient("Pat"), await clinic.add_patient("Pia")
    owner = Principal(role=Role.PATIENT, subject="bot", person=pat.id, acting="bot")
    hook, other = await made(clinic, owner), await made(clinic)
    alone = replace(owner, subject="sub-pat", acting=None)
    visible = {"admin": (ADMIN, [hook, other]), "patient": (alone, [hook])}
    for reader, hooks in visible.values():
        page = await store.webhooks.page(reader, limit=10, after=None, everyones=True)
        assert [view.webhook for view in page.webhooks] == hooks
        assert [view.progress for view in page.webhooks] == [()] * len(hooks)
    by_party = await store.webhooks.page(
        ADMIN, limit=10, after=None, everyones=True, party=hook.party
    )
    assert by_party.total == 2, "one party, for a patient and for itself"
    for stranger in (replace(alone, person=pia.id), replace(owner, subject="b2", acting="b2")):
        assert await store.webhooks.get(stranger, hook.id) is None


async def test_deliveries_are_forgotten_with_their_events(clinic: Clinic, store: Store) -> None:
    hook = await made(clinic)
    noted = delivery(clinic, AVAILABILITY_ALL, 6)
    moved = at(AVAILABILITY_ALL, 6, moves=1)
    await store.webhooks.record(hook.id, at(AVAILABILITY_ALL, 5), moved, noted)
    assert (await store.retention.forget(clinic.clock.now() + 29 * DAY))["deliveries"] == 0
    assert (await store.retention.forget(clinic.clock.now() + 31 * DAY))["deliveries"] == 1
    assert await store.webhooks.deliveries(BOT, hook.id, limit=10) == []

"""Sessions: what browsers keep is replaced at each use, and a stolen copy ends them."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from actors.domain.ids import ProfileId
from actors.domain.principal import Principal, Role
from actors.domain.profile import Profile
from actors.domain.refusals import Forbidden, InvalidToken, NotFound
from actors.domain.sign_in import SESSIONS_MAX, Account, AccountId, SessionId, SignInMethod
from actors.ports.sign_in import SigningKey
from actors.services.caller import Caller
from actors.services.directory import Directory
from actors.services.sign_ins import SignedIn, SignIns
from tests.contract.clinic import ADMIN, DAY, HOUR, Clinic, deactivated
from tests.contract.engines import Database

IDLE, LIFE = 12 * HOUR, 30 * DAY


@dataclass
class Ended:
    """The connections of the hub, which record what was ended."""

    sessions: list[SessionId] = field(default_factory=list)
    people: list[ProfileId] = field(default_factory=list)

    async def end(self, person: ProfileId) -> None:
        self.people.append(person)

    async def end_session(self, session: SessionId) -> None:
        self.sessions.append(session)

    async def recheck(self, person: ProfileId) -> None: ...


class World:
    def __init__(self, clinic: Clinic) -> None:
        self.clinic, self.ended = clinic, Ended()
        store = clinic.store
        self.directory = Directory(store.profiles)
        self.sign_ins = SignIns(
            store.sessions,
            store.accounts,
            self.directory,
            self.ended,
            clinic.clock,
            clinic.new_id,
            idle=IDLE,
            life=LIFE,
        )

    async def account(self, person: Profile | None, role: Role = Role.PATIENT) -> Account:
        made = Account(
            id=AccountId(self.clinic.new_id()), role=role, created_at=self.clinic.clock.now()
        )
        await self.clinic.store.accounts.add(made, person.id if person else None)
        return made

    async def begin(self, account: Account, device: str = "Firefox") -> SignedIn:
        return await self.sign_ins.begin(
            account, SignInMethod.PASSKEY, device=device, request_id="r"
        )

    async def renew(self, cookie: str) -> SignedIn:
        return await self.sign_ins.renew(cookie, request_id="r")

    def caller(self, account: Account) -> Caller:
        return Caller(principal=account.principal, request_id="r")


@pytest.fixture
def world(clinic: Clinic) -> World:
    return World(clinic)


@pytest.fixture
async def account(world: World) -> Account:
    return await world.account(await world.clinic.add_patient("Pat"))


async def test_each_use_replaces_the_secret(world: World, account: Account) -> None:
    first = await world.begin(account)
    second = await world.renew(first.cookie)
    third = await world.renew(second.cookie)
    assert len({first.cookie, second.cookie, third.cookie}) == 3
    assert {first.session.id, second.session.id, third.session.id} == {first.session.id}
    assert third.role is Role.PATIENT


async def test_only_hashes_of_a_cookie_are_stored(
    world: World, account: Account, database: Database
) -> None:
    begun = await world.begin(account)
    renewed = await world.renew(begun.cookie)
    for table in ("sessions", "session_secrets", "audit_log"):
        stored = repr(database.query(f"SELECT * FROM {table}"))  # noqa: S608  # names of ours
        for part in (*begun.cookie.split("."), *renewed.cookie.split(".")):
            assert part not in stored


async def test_two_tabs_get_the_same_successor(world: World, account: Account) -> None:
    begun = await world.begin(account)
    tabs = await asyncio.gather(*(world.renew(begun.cookie) for _ in range(8)))
    assert len({tab.cookie for tab in tabs}) == 1
    world.clinic.clock.advance(timedelta(seconds=30))
    assert (await world.renew(begun.cookie)).cookie == tabs[0].cookie
    assert world.ended.sessions == []


@pytest.mark.parametrize("uses", [1, 2])
async def test_an_old_secret_ends_the_session(world: World, account: Account, uses: int) -> None:
    begun = await world.begin(account)
    latest = begun
    for _ in range(uses):
        latest = await world.renew(latest.cookie)
    if uses == 1:  # the previous one, too late
        world.clinic.clock.advance(timedelta(seconds=31))
    with pytest.raises(InvalidToken):
        await world.renew(begun.cookie)
    assert world.ended.sessions == [begun.session.id]
    with pytest.raises(InvalidToken):
        await world.renew(latest.cookie)
    assert world.ended.sessions == [begun.session.id], "it ended once"


async def test_a_guessed_secret_reaches_no_session_without_its_handle(
    world: World, account: Account
) -> None:
    begun = await world.begin(account)
    other = await world.begin(account)
    handle, secret = begun.cookie.split(".")
    for cookie in (f"{'A' * 43}.{secret}", "", "x", f"{handle}.{secret}.{secret}", f"{handle}."):
        with pytest.raises(InvalidToken):
            await world.renew(cookie)
    assert world.ended.sessions == []
    assert await world.renew(begun.cookie)
    with pytest.raises(InvalidToken):  # a secret of another session is one that was not issued
        await world.renew(f"{handle}.{other.cookie.split('.')[1]}")
    assert world.ended.sessions == [begun.session.id]
    assert await world.renew(other.cookie)


async def test_a_session_ends_unused_and_at_its_end(world: World, account: Account) -> None:
    unused = await world.begin(account)
    world.clinic.clock.advance(IDLE)
    with pytest.raises(InvalidToken):
        await world.renew(unused.cookie)
    used = await world.begin(account)
    while world.clinic.clock.now() + HOUR < used.session.ends_at:
        world.clinic.clock.advance(HOUR)
        used = await world.renew(used.cookie)
    world.clinic.clock.advance(HOUR)
    with pytest.raises(InvalidToken):
        await world.renew(used.cookie)


async def test_the_least_used_session_ends_for_one_too_many(world: World, account: Account) -> None:
    begun = []
    for _ in range(SESSIONS_MAX + 1):
        begun.append(await world.begin(account))
        world.clinic.clock.advance(timedelta(seconds=1))
    assert world.ended.sessions == [begun[0].session.id]
    shown = await world.sign_ins.page(world.caller(account), None)
    assert [each.id for each in shown] == [each.session.id for each in begun[:0:-1]]


async def test_a_person_who_is_not_active_any_more_is_signed_out(
    world: World, account: Account
) -> None:
    begun = await world.begin(account)
    person = await world.clinic.store.profiles.by_identity(("hub", account.subject))
    assert person
    await world.clinic.save(deactivated(person))
    world.directory.drop(person.id)
    with pytest.raises(InvalidToken):
        await world.renew(begun.cookie)
    assert world.ended.sessions == [begun.session.id]
    with pytest.raises(InvalidToken):
        await world.begin(account)


async def test_sessions_are_ended_by_their_person_and_admins_only(
    world: World, account: Account
) -> None:
    begun = await world.begin(account)
    other = await world.account(await world.clinic.add_patient("Pia"))
    with pytest.raises(NotFound):
        await world.sign_ins.end(world.caller(other), begun.session.id)
    assert await world.sign_ins.page(world.caller(other), None) == []
    assert world.ended.sessions == []
    await world.sign_ins.end(world.caller(account), begun.session.id)
    with pytest.raises(InvalidToken):
        await world.renew(begun.cookie)
    await world.sign_ins.end(world.caller(account), begun.session.id)
    assert world.ended.sessions == [begun.session.id] * 2, "each node again"
    again = await world.begin(account)
    await world.sign_ins.end(Caller(principal=ADMIN, request_id="r"), again.session.id)
    with pytest.raises(InvalidToken):
        await world.renew(again.cookie)


async def test_an_admin_lists_and_ends_all_of_a_person(world: World, account: Account) -> None:
    person = await world.clinic.store.profiles.by_identity(("hub", account.subject))
    assert person
    begun = [await world.begin(account) for _ in range(2)]
    kept = await world.begin(await world.account(await world.clinic.add_patient("Pia")))
    admin = Caller(principal=ADMIN, request_id="r")
    shown = await world.sign_ins.page(admin, person.id)
    assert {each.id for each in shown} == {each.session.id for each in begun}
    with pytest.raises(Forbidden):
        await world.sign_ins.page(world.caller(account), person.id)
    with pytest.raises(Forbidden):
        await world.sign_ins.end_of_person(world.caller(account), person.id)
    await world.sign_ins.end_of_person(admin, person.id)
    assert set(world.ended.sessions) == {each.session.id for each in begun}
    assert world.ended.people == [person.id]
    assert await world.renew(kept.cookie)


async def test_what_happens_to_sessions_is_audited(
    world: World, account: Account, database: Database
) -> None:
    begun = await world.begin(account)
    latest = await world.renew((await world.renew(begun.cookie)).cookie)
    with pytest.raises(InvalidToken):
        await world.renew(begun.cookie)
    assert latest
    found = database.query(
        "SELECT action, subject, resource_id FROM audit_log"
        " WHERE resource_kind = 'session' ORDER BY id"
    )
    of_session = (account.subject, begun.session.id)
    assert found == [("session.begun", *of_session), ("session.reused", *of_session)]


async def test_old_sessions_are_forgotten(world: World, account: Account) -> None:
    begun = await world.begin(account)
    sessions, clock = world.clinic.store.sessions, world.clinic.clock
    await world.sign_ins.sign_out(begun.cookie, request_id="r")
    assert list(await sessions.ended_since(clock.now() - HOUR)) == [begun.session.id]
    clock.advance(HOUR)
    kept = await world.begin(account)
    assert await sessions.forget(clock.now()) == 1
    assert await sessions.ended_since(clock.now() - DAY) == []
    assert await world.renew(kept.cookie)


async def test_what_a_browser_says_of_itself_is_bounded(world: World, account: Account) -> None:
    begun = await world.begin(account, device="Fire\x00fox\n" + "x" * 1_000)
    assert begun.session.device == "Firefox" + "x" * 193


async def test_nodes_that_start_together_share_one_key(clinic: Clinic) -> None:
    store, now = clinic.store.signing_keys, clinic.clock.now()

    def key(name: str) -> SigningKey:
        return SigningKey(id=name, private_key="p", public_key="{}", created_at=clinic.clock.now())

    await asyncio.gather(*(store.add(key(f"k{n}"), unless_since=now - DAY) for n in range(5)))
    (first,) = await store.all()
    clinic.clock.advance(2 * DAY)
    await store.add(key("next"), unless_since=clinic.clock.now() - DAY)
    assert [each.id for each in await store.all()] == ["next", first.id]
    await store.forget(clinic.clock.now())
    assert [each.id for each in await store.all()] == ["next"]


async def test_a_session_belongs_to_its_account_alone(world: World, account: Account) -> None:
    """Another issuer may call somebody as the account is called."""
    await world.begin(account)
    stranger = Principal(role=Role.PATIENT, subject=account.id)
    assert stranger.account is None
    found = await world.clinic.store.sessions.visible(
        stranger, [account.id], world.clinic.clock.now()
    )
    assert found == []

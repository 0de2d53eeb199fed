"""Consents in the store: one for each patient and party, and who may see them."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from actors.domain import consent as domain
from actors.domain.events import ConsentSaved
from actors.domain.ids import PatientId
from actors.domain.principal import Principal, Role
from actors.domain.refusals import Forbidden, VersionConflict
from store.commit import record_commit
from store.engine import Store
from tests.contract.clinic import ADMIN, Clinic
from tests.contract.engines import Database
from tests.contract.hooks import add_consent


async def test_a_consent_is_given_renewed_and_ended(
    clinic: Clinic, store: Store, database: Database
) -> None:
    pat = await clinic.add_patient("Pat")
    me = Principal(role=Role.PATIENT, subject="sub", person=pat.id)
    given = await add_consent(clinic, pat)
    assert await store.consents.of_patient(PatientId(pat.id)) == (given,)
    ended = replace(given, ended_at=clinic.clock.now(), version=2)
    await clinic.save(ConsentSaved(before=given, after=ended), by=me)
    assert await store.consents.get(me, given.id) == ended
    with pytest.raises(VersionConflict):
        await clinic.save(ConsentSaved(before=given, after=ended), by=me)
    with pytest.raises(VersionConflict):
        await add_consent(clinic, pat)  # there is one of this party
    audited = database.query(
        "SELECT action, patient_id, new_status FROM audit_log"
        " WHERE resource_kind = 'consent' ORDER BY id"
    )
    assert audited == [
        ("consent.saved", pat.id, "given"),
        ("consent.saved", pat.id, "ended"),
    ]


async def test_a_consent_is_seen_by_its_patient_and_staff_only(
    clinic: Clinic, store: Store
) -> None:
    ann = await clinic.add_dentist("Dr Ann")
    pat, pia = await clinic.add_patient("Pat"), await clinic.add_patient("Pia")
    dentist = Principal(role=Role.DENTIST, subject="sub-ann", person=ann.id)
    given = await add_consent(clinic, pat)
    recorded = await add_consent(clinic, pia, by=dentist)
    me = Principal(role=Role.PATIENT, subject="sub", person=pat.id)
    assert await store.consents.visible(me, PatientId(pat.id)) == (given,)
    assert await store.consents.get(ADMIN, given.id) == given
    assert await store.consents.get(dentist, recorded.id) == recorded, "who recorded it sees it"
    strangers = (
        replace(me, person=pia.id),
        replace(me, subject="bot", acting="bot"),
        Principal(role=Role.CHATBOT, subject="bot"),
        dentist,
    )
    for stranger in strangers:
        assert await store.consents.get(stranger, given.id) is None
        assert await store.consents.visible(stranger, PatientId(pat.id)) == ()


async def test_concurrent_consents_do_not_exceed_the_limit_of_a_patient(
    clinic: Clinic, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(record_commit, "CONSENTS_MAX", 3)
    pat = await clinic.add_patient("Pat")
    given = (add_consent(clinic, pat, f"chatbot:{n}") for n in range(6))
    results = await asyncio.gather(*given, return_exceptions=True)
    assert [type(each) for each in results if isinstance(each, BaseException)] == [Forbidden] * 3
    assert len(await store.consents.of_patient(PatientId(pat.id))) == 3


@pytest.mark.parametrize("by_default", [True, False])
async def test_an_ended_consent_refuses_whatever_is_assumed(
    clinic: Clinic, by_default: bool
) -> None:
    pat = await clinic.add_patient("Pat")
    given, now = await add_consent(clinic, pat), clinic.clock.now()

    def allowed(consent: domain.Consent, *, after_days: int = 0, party: str = given.party) -> bool:
        at = now + timedelta(days=after_days)
        return domain.allows([consent], party, at, by_default=by_default)

    assert allowed(given)
    assert not allowed(replace(given, ended_at=now))
    assert allowed(given, after_days=365) is by_default
    assert allowed(given, party="chatbot:another") is by_default

"""Which patients of a practice have something in common with a person."""

from actors.domain.ids import PracticeId
from actors.domain.likeness import Likeness, Traits
from actors.domain.profile import Profile
from actors.domain.refusals import DuplicatePatient, KnownPatient
from store.sql.codec import PROFILE
from store.sql.prepared import Plan, once
from store.sql.write_statements import WriteStatements

CANDIDATES_MAX = 10
_LOOKED_AT_MAX = 500
"""People of one practice with the same telephone number, e-mail address, birthday or name."""
_REFUSED = frozenset({Likeness.PHONE, Likeness.EMAIL, Likeness.NAME_AND_DATE_OF_BIRTH})


def alike(traits: Traits, practice_id: PracticeId, sql: WriteStatements) -> Plan[list[Profile]]:
    """The practice's patients who may be this person, by name and id."""
    born = traits.date_of_birth and traits.date_of_birth.isoformat()
    limits = {"practice": practice_id, "at_most": _LOOKED_AT_MAX}
    found = yield (
        once(sql.same_contact, email=traits.email_key, phones=list(traits.phone_keys), **limits),
        once(sql.same_birthday, born=born, **limits),
        once(sql.same_name, named=traits.exact_name, **limits),
    )
    people = {profile.id: profile for rows in found for profile in map(PROFILE.read, rows)}
    return sorted(
        (each for each in people.values() if traits.likeness(each)),
        key=lambda each: (each.name, each.id),
    )


def refuse_known(traits: Traits, practice_id: PracticeId, sql: WriteStatements) -> Plan[None]:
    """Raises DuplicatePatient if the practice knows the person.

    The practice's channel is locked, so of two desks that enter someone at once one comes first.
    """
    people = yield from alike(traits, practice_id, sql)
    candidates = tuple(
        KnownPatient(id=each.id, name=each.name, date_of_birth=each.date_of_birth)
        for each in people
        if _REFUSED.intersection(traits.likeness(each))
    )
    if candidates:
        raise DuplicatePatient(candidates[:CANDIDATES_MAX])

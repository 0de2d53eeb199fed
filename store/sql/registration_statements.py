"""The statements of registrations: those that wait, and the people of an address."""

import sqlalchemy as sa

from actors.domain.issuers import HUB, HUB_SUBJECT_PREFIX
from actors.domain.principal import Role
from store.sql.codec import ACCOUNT, ADDRESS_TRIES, REGISTRATION
from store.sql.prepared import StatementSet
from store.sql.schema import (
    accounts,
    address_tries,
    identities,
    profiles,
    registrations,
    wrong_birth_dates,
)

_HUB: sa.ColumnElement[str] = sa.literal_column(f"'{HUB}'", sa.Text)
_SUBJECT: sa.ColumnElement[str] = sa.literal_column(f"'{HUB_SUBJECT_PREFIX}'", sa.Text)
_PATIENT: sa.ColumnElement[str] = sa.literal_column(f"'{Role.PATIENT}'", sa.Text)
_NONE: sa.ColumnElement[int] = sa.literal_column("0", sa.Integer)
_ADDRESS: sa.BindParameter[str] = sa.bindparam("address", type_=sa.Text)


class RegistrationStatements(StatementSet):
    def __init__(self, dialect: sa.Dialect) -> None:
        super().__init__(dialect)
        self._waiting()
        self._people()

    def _waiting(self) -> None:
        r, t = registrations.c, address_tries.c
        self.insert = self._build(sa.insert(registrations))
        asked = r.handle_hash == sa.bindparam("handle")
        self.of_handle = self._build(sa.select(*REGISTRATION.columns).where(asked))
        self.drop = self._build(sa.delete(registrations).where(asked))
        self.forget = self._build(
            sa.delete(registrations).where(r.expires_at < sa.bindparam("before"))
        )
        self.tries = self._build(
            sa.select(*ADDRESS_TRIES.columns).where(t.address_hash == _ADDRESS)
        )
        counting = self._upsert(address_tries)
        self.count_try = self._build(
            counting.on_conflict_do_update(
                index_elements=[t.address_hash],
                set_={"since": counting.excluded.since, "count": counting.excluded["count"]},
            )
        )
        self.forget_tries = self._build(
            sa.delete(address_tries).where(t.since < sa.bindparam("before"))
        )

    def _people(self) -> None:
        p, i, w = profiles.c, identities.c, wrong_birth_dates.c
        are_patients = (p.email_key == _ADDRESS, p.role == _PATIENT, p.active)
        joined = (
            sa.select(*ACCOUNT.columns)
            .join_from(accounts, identities, i.subject == _SUBJECT + accounts.c.id)
            .join(profiles, p.id == i.profile_id)
        )
        self.accounts_with = self._build(joined.where(i.issuer == _HUB, *are_patients))
        signed_in = sa.select(i.profile_id).where(i.profile_id == p.id).exists()
        wrong = sa.func.coalesce(w["count"], _NONE)
        records = sa.select(p.id, p.date_of_birth, wrong).join_from(
            profiles, wrong_birth_dates, w.profile_id == p.id, isouter=True
        )
        self.unlinked_with = self._build(records.where(*are_patients, ~signed_in).order_by(p.id))
        counting = self._upsert(wrong_birth_dates)
        self.count_wrong_date = self._build(
            counting.on_conflict_do_update(
                index_elements=[w.profile_id], set_={"count": counting.excluded["count"]}
            )
        )

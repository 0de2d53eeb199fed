"""The statements that write messages."""

from enum import StrEnum

import sqlalchemy as sa

from actors.domain.message import MessageError, MessageKind, MessageState
from store.sql.prepared import ONE, StatementSet
from store.sql.schema import (
    IS_NOT_QUEUED,
    IS_QUEUED,
    invitations,
    messages,
    profiles,
    visit_links,
)

_SETTLED = (
    "id kind channel practice_id dentist_id patient_id appointment_id visit_start lead_minutes"
    " address created_at expires_at"
)
"""What never changes in a message; its patient only in a merge."""


class MessageStatements(StatementSet):
    def __init__(self, dialect: sa.Dialect) -> None:
        super().__init__(dialect)
        m, p = messages.c, profiles.c
        people = sa.select(p.id, p.email, p.phone, p.consent, p.practice_id)
        self.people = self._build(people.where(p.id == sa.bindparam("person")), by_key=True)
        self.insert = self._build(sa.insert(messages).inline())
        self.insert_once = self._build(
            self._upsert(messages).on_conflict_do_nothing().returning(m.id)
        )
        self.update = self._guarded_update(messages, without=_SETTLED)
        self.version = self._build(
            sa.select(m.version).where(m.id == sa.bindparam("row_id", type_=sa.Text))
        )
        inheriting = sa.update(messages).where(
            m.patient_id == sa.bindparam("patient", type_=sa.Text)
        )
        survivor = sa.bindparam("survivor", type_=sa.Text)
        self.inherit = self._build(inheriting.values(patient_id=survivor, version=m.version + ONE))
        self.forget = self._delete_oldest((m.id,), m.created_at, IS_NOT_QUEUED)
        self._invitations()
        self._visit_links()

    def _invitations(self) -> None:
        m, n = messages.c, invitations.c
        ended_at = sa.bindparam("ended_at", type_=n.ended_at.type)
        ended = sa.select(n.id).where(n.ended_at == ended_at)
        withdrawing = sa.update(messages).where(
            m.kind == _constant(MessageKind.INVITATION), IS_QUEUED, m.id.in_(ended)
        )
        self.withdraw_invitations = self._build(
            withdrawing.values(
                state=_constant(MessageState.EXPIRED),
                error=_constant(MessageError.REPLACED),
                next_attempt_at=sa.null(),
                claimed_until=sa.null(),
                content=sa.null(),
                version=m.version + ONE,
            ),
            ["ended_at"],
        )

    def _visit_links(self) -> None:
        v = visit_links.c
        self.insert_link = self._build(sa.insert(visit_links).inline())
        revoking = sa.update(visit_links).where(
            v.appointment_id == sa.bindparam("appointment", type_=sa.Text), v.revoked_at.is_(None)
        )
        revoked_at = sa.bindparam("revoked_at", type_=v.revoked_at.type)
        self.revoke_links = self._build(
            revoking.values(revoked_at=revoked_at).returning(v.token_hash)
        )
        self.forget_links = self._delete_oldest((v.token_hash,), v.expires_at)


def _constant(member: StrEnum) -> sa.ColumnClause[str]:
    return sa.literal_column(f"'{member.value}'", sa.Text)

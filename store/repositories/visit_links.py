"""The links of messages, by which patients reach their visits."""

from datetime import datetime

import sqlalchemy as sa

from actors.domain.ids import AppointmentId
from actors.domain.principal import Principal
from actors.domain.visit_link import VisitLink
from store.commit.audit import sign_in_params
from store.sql.codec import VISIT_LINK
from store.sql.prepared import Done, Plan, execute
from store.sql.readers import Readers
from store.sql.schema import visit_links
from store.sql.write_statements import WriteStatements
from store.sql.writer import Writer, single_job


class VisitLinkRepository:
    """Implements :class:`actors.ports.messages.VisitLinks`."""

    def __init__(self, writer: Writer, readers: Readers, sql: WriteStatements) -> None:
        self._writer, self._readers, self._sql = writer, readers, sql

    async def of_token(self, token_hash: str) -> VisitLink | None:
        query = sa.select(*VISIT_LINK.columns).where(visit_links.c.token_hash == token_hash)
        async with self._readers.hub() as connection:
            row = (await connection.execute(query)).one_or_none()
        return VISIT_LINK.read(row) if row else None

    async def revoke(
        self, by: Principal, request_id: str, appointment_id: AppointmentId, now: datetime
    ) -> int:
        entry = sign_in_params(by, now, request_id, "visit_link", appointment_id, "revoked")
        sql = self._sql

        def plan() -> Plan[Done[int]]:
            ending = {"appointment": appointment_id, "revoked_at": now}
            ended = yield from execute(sql.messages.revoke_links, **ending)
            yield from execute(sql.insert_audit, **entry)
            return Done(len(ended))

        return await self._writer.run(single_job(plan))

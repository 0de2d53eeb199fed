"""The statements of commits, of opening calendars and of retention.

A statement returns rows wherever its effect must be checked: a guarded UPDATE that changed
nothing returns nothing, on every engine.
"""

import sqlalchemy as sa

from store.sql import schema
from store.sql.codec import APPOINTMENT, APPOINTMENT_TYPE, LIVE_ROW, PROFILE, STORED_REPLY
from store.sql.event_statements import EventStatements
from store.sql.message_statements import MessageStatements
from store.sql.prepared import NO_OFFSET, ONE, StatementSet, columns_of
from store.sql.registration_statements import RegistrationStatements
from store.sql.sign_in_statements import SignInStatements
from store.sql.types import TextList, each_of
from store.sql.webhook_statements import WebhookStatements

_DENTIST: sa.BindParameter[str] = sa.bindparam("dentist")
_PATIENT: sa.BindParameter[str] = sa.bindparam("patient")
_LINE_FEED: sa.ColumnClause[str] = sa.literal_column("'\n'", sa.Text)
_EMPTY: sa.ColumnClause[str] = sa.literal_column("''", sa.Text)
_ROW: sa.BindParameter[str] = sa.bindparam("row_id")


class WriteStatements(StatementSet):
    def __init__(self, dialect: sa.Dialect) -> None:
        super().__init__(dialect)
        self._fences()
        self._checks()
        self._rows()
        self._people()
        self._practices()
        self._merges()
        self._likeness()
        self._opening()
        self._housekeeping()
        self.events = EventStatements(dialect)
        self.webhooks = WebhookStatements(dialect)
        self.messages = MessageStatements(dialect)
        self.sign_in = SignInStatements(dialect)
        self.registrations = RegistrationStatements(dialect)

    def _fences(self) -> None:
        c, n = schema.calendars.c, schema.nodes.c
        this = c.dentist_id == _DENTIST
        opened = (c.dentist_id, c.fence, c.schedule, c.schedule_version)
        # Succeeds only where the hub can write: not on a standby, not on a full disk.
        self.lock_hub = self._build(sa.select(schema.hub.c.id).with_for_update(read=True))
        self.lock_hub_alone = self._build(sa.select(schema.hub.c.id).with_for_update())
        # Locks the row as an UPDATE would, and writes no page. SQLite needs no row locks,
        # because a write transaction locks the whole database. The order prevents deadlocks.
        locking = sa.select(c.dentist_id, c.fence).where(this).order_by(c.dentist_id)
        self.lock_fence = self._build(locking.with_for_update(), by_key=True)
        raising = sa.update(schema.calendars).where(this).values(fence=c.fence + ONE)
        self.raise_fence = self._build(raising.returning(*opened))
        self.see_calendar = self._build(sa.select(*opened).where(this).with_for_update(read=True))
        self.owner = self._build(sa.select(c.dentist_id, c.owner).where(this).with_for_update())
        owner: sa.BindParameter[str] = sa.bindparam("owner")
        evicted = sa.not_(sa.exists(sa.select(n.id).where(n.id == c.owner)))
        claiming = raising.values(owner=owner).where(
            sa.or_(c.owner == owner, c.owner.is_(None), evicted),
            sa.exists(sa.select(n.id).where(n.id == owner)),
        )
        self.claim = self._build(claiming.returning(*opened))

    def _checks(self) -> None:
        a, k, t = schema.appointments.c, schema.idempotency_keys.c, schema.appointment_types.c
        typed = sa.select(t.id, t.version).where(t.id == sa.bindparam("type_id"))
        placed = sa.select(a.id, a.dentist_id, a.version).where(a.id == _ROW)
        self.place = self._build(placed, by_key=True)
        self.type_version = self._build(typed.with_for_update(read=True), by_key=True)
        self.reply = self._build(
            sa.select(*STORED_REPLY.columns).where(
                k.scope == sa.bindparam("scope"), k.key == sa.bindparam("key")
            ),
            by_rows=True,
        )
        self.live_rows_of = self._build(
            sa.select(*LIVE_ROW.columns).where(
                a.patient_id == _PATIENT,
                schema.IS_LIVE,
                a.starts_at > sa.bindparam("after"),
                a.starts_at < sa.bindparam("before"),
                a.ends_at > sa.bindparam("ends_after"),
            ),
            by_rows=True,
        )

    def _rows(self) -> None:
        k, p = schema.idempotency_keys.c, schema.profiles.c
        self.insert_appointment = self._build(  # a new visit is not confirmed yet
            sa.insert(schema.appointments),
            columns_of(schema.appointments, without="patient_confirmed_at"),
        )
        self.update_appointment = self._guarded_update(
            schema.appointments, without="id dentist_id patient_id created_via created_at"
        )
        self.move_appointment = self._guarded_update(
            schema.appointments, without="id patient_id created_via created_at"
        )
        self.update_schedule = self._guarded_update(
            schema.calendars, without="dentist_id fence owner", version="schedule_version"
        )
        named = sa.select(p.id, p.name, p.merged_into).where(p.id == sa.bindparam("person"))
        self.name = self._build(named, by_key=True)
        adding = self._upsert(schema.idempotency_keys).on_conflict_do_nothing()
        self.insert_reply = self._build(
            adding.returning(k.scope, k.key), columns_of(schema.idempotency_keys, without="id")
        )
        self.insert_audit = self._build(
            sa.insert(schema.audit_log).inline(), columns_of(schema.audit_log, without="id")
        )

    def _people(self) -> None:
        a, p, t = schema.appointments.c, schema.profiles.c, schema.appointment_types.c
        self._identities()
        adding = self._upsert(schema.profiles).on_conflict_do_nothing(index_elements=[p.subject])
        self.insert_profile = self._build(adding.returning(p.id))
        self.update_profile = self._guarded_update(schema.profiles, without="id role created_by")
        self.profile_version = self._build(sa.select(p.version).where(p.id == _ROW))
        dentists = sa.select(a.dentist_id).where(a.patient_id == _PATIENT, schema.MAKES_PATIENT)
        self.dentists_of = self._build(dentists.distinct().order_by(a.dentist_id))
        self.insert_calendar = self._build(
            sa.insert(schema.calendars), columns_of(schema.calendars, without="owner")
        )
        c = schema.consents.c
        self.consents_of = self._build(sa.select(c.id).where(c.patient_id == _PATIENT))
        giving = self._upsert(schema.consents).on_conflict_do_nothing(
            index_elements=[c.patient_id, c.party]
        )
        self.insert_consent = self._build(giving.returning(c.id))
        self.update_consent = self._guarded_update(schema.consents, without="id patient_id party")
        self.insert_type = self._build(sa.insert(schema.appointment_types))
        self.update_type = self._guarded_update(schema.appointment_types, without="id")
        self.current_type_version = self._build(sa.select(t.version).where(t.id == _ROW))

    def _identities(self) -> None:
        i, profile = schema.identities.c, sa.bindparam("profile", type_=sa.Text)
        wanted = (i.issuer == sa.bindparam("wanted_issuer"), i.subject == sa.bindparam("wanted"))
        self.owner_of_subject = self._build(sa.select(i.profile_id).where(*wanted))
        adding = self._upsert(schema.identities).on_conflict_do_nothing()
        self.insert_identity = self._build(adding.returning(i.profile_id))
        self.delete_identity = self._build(
            sa.delete(schema.identities).where(*wanted, i.profile_id == profile)
        )
        self.move_identities = self._build(
            sa.update(schema.identities)
            .where(i.profile_id == _PATIENT)
            .values(profile_id=sa.bindparam("survivor", type_=sa.Text))
        )

    def _practices(self) -> None:
        a, p, s = schema.appointments.c, schema.profiles.c, schema.practices.c
        m, practice = schema.practice_patients.c, sa.bindparam("practice", type_=sa.Text)
        locking = sa.select(s.id).where(s.id == practice)
        # As weak as an UPDATE takes it: rows that refer to the practice are inserted meanwhile.
        self.lock_practice = self._build(locking.with_for_update(key_share=True))
        self.every_practice = self._build(sa.select(s.id).order_by(s.id))
        self.insert_practice = self._build(sa.insert(schema.practices))
        self.update_practice = self._guarded_update(schema.practices, without="id")
        self.practice_version = self._build(sa.select(s.version).where(s.id == _ROW))
        works_here = (p.practice_id == practice, p.role == sa.literal_column("'dentist'"))
        self.dentists_at = self._build(sa.select(p.id).where(*works_here).order_by(p.id))
        joining = self._upsert(schema.practice_patients).on_conflict_do_nothing()
        columns = columns_of(schema.practice_patients, without="remark version")
        self.insert_member = self._build(joining, columns)
        self.insert_practice_patient = self._build(
            self._upsert(schema.practice_patients).on_conflict_do_nothing().returning(m.patient_id)
        )
        keeping = sa.update(schema.practice_patients).where(
            m.practice_id == practice,
            m.patient_id == _PATIENT,
            m.version == sa.bindparam("before_version"),
        )
        self.update_practice_patient = self._build(
            keeping.returning(m.patient_id), ["remark", "version"]
        )
        member = sa.exists().where(m.practice_id == s.id, m.patient_id == _PATIENT)
        dentists = sa.select(a.dentist_id).where(a.patient_id == _PATIENT, schema.MAKES_PATIENT)
        booked = sa.exists().where(p.practice_id == s.id, p.id.in_(dentists))
        self.practices_of = self._build(
            sa.select(s.id).where(sa.or_(member, booked)).order_by(s.id)
        )
        workplace = sa.select(p.practice_id, p.active, s.closures).where(p.id == _DENTIST)
        self.workplace = self._build(
            workplace.select_from(
                schema.profiles.outerjoin(schema.practices, s.id == p.practice_id)
            )
        )

    def _merges(self) -> None:
        """What was a merged patient's, and becomes the survivor's."""
        a, m, c = schema.appointments.c, schema.practice_patients.c, schema.consents.c
        p, survivor = schema.profiles.c, sa.bindparam("survivor", type_=sa.Text)
        at = sa.bindparam("at", type_=a.updated_at.type)
        one_more = {"version": a.version + ONE, "updated_at": at}
        self.merged_into = self._build(
            sa.select(p.merged_into).where(p.id == _PATIENT, p.merged_into.is_not(None))
        )
        rows = sa.select(*APPOINTMENT.columns).where(a.patient_id == _PATIENT)
        ordered = rows.order_by(a.starts_at, a.id)
        self.rows_of = self._build(ordered.limit(sa.bindparam("at_most")).offset(NO_OFFSET))
        self.visits_of = self._build(ordered.where(schema.IS_ATTENDING))
        moving = sa.update(schema.appointments).where(a.patient_id == _PATIENT)
        by = sa.bindparam("by", type_=sa.Text)
        self.move_rows = self._build(
            moving.values(
                patient_id=survivor, changed_by=by, on_behalf_of=a.dentist_id, **one_more
            ).returning(a.id)
        )
        self.memberships = self._build(
            sa.select(*schema.practice_patients.c)
            .where(m.patient_id == _PATIENT)
            .order_by(m.practice_id)
        )
        joining = self._upsert(schema.practice_patients)
        self.move_practice_patient = self._build(
            joining.on_conflict_do_update(
                index_elements=[m.practice_id, m.patient_id],
                set_={
                    "remark": sa.func.coalesce(m.remark + _LINE_FEED, _EMPTY).op("||")(
                        joining.excluded.remark
                    ),
                    "version": m.version + ONE,
                },
                where=joining.excluded.remark.is_not(None),
            )
        )
        self.end_memberships = self._build(
            sa.delete(schema.practice_patients).where(m.patient_id == _PATIENT)
        )
        ended = {"ended_at": sa.func.coalesce(c.ended_at, at), "version": c.version + ONE}
        own = schema.consents.alias("own").c
        theirs = sa.select(own.party).where(own.patient_id == survivor)
        consents = sa.update(schema.consents).where(c.patient_id == _PATIENT)
        self.move_consents = self._build(
            consents.where(c.party.not_in(theirs)).values(patient_id=survivor, **ended)
        )
        self.end_consents = self._build(consents.where(c.ended_at.is_(None)).values(**ended))

    def _likeness(self) -> None:
        """Patients of a practice who have something in common with a person."""
        a, m, p = schema.appointments.c, schema.practice_patients.c, schema.profiles.c
        d, practice = schema.profiles.alias("dentist").c, sa.bindparam("practice", type_=sa.Text)
        member = sa.exists().where(m.practice_id == practice, m.patient_id == p.id)
        booked = sa.exists().where(
            a.patient_id == p.id,
            schema.MAKES_PATIENT,
            a.dentist_id == d.id,
            d.practice_id == practice,
        )
        patients = (
            sa.select(*PROFILE.columns)
            .where(
                p.merged_into.is_(None),
                sa.or_(member, booked),
            )
            .limit(sa.bindparam("at_most"))
            .offset(NO_OFFSET)
        )
        key, given = schema.profiles.alias("same").c, sa.bindparam("phones", type_=TextList())
        same = sa.union(
            sa.select(key.id).where(key.email_key == sa.bindparam("email", type_=sa.Text)),
            sa.select(key.id).where(key.phone_key.in_(sa.select(each_of(given, self._dialect)))),
        )
        patient: sa.ColumnClause[str] = sa.literal_column("'patient'")
        # Not as a column: SQLite would read all patients by the index of roles and names.
        is_patient = sa.func.coalesce(p.role, _EMPTY) == patient
        self.same_contact = self._build(patients.where(p.id.in_(same), is_patient))
        born = p.date_of_birth == sa.bindparam("born", type_=sa.Text)
        self.same_birthday = self._build(patients.where(born, is_patient))
        named = p.name == sa.bindparam("named", type_=p.name.type)
        self.same_name = self._build(patients.where(p.role == patient, named))

    def _opening(self) -> None:
        a, k, t = schema.appointments.c, schema.idempotency_keys.c, schema.appointment_types.c
        self.types = self._build(sa.select(*APPOINTMENT_TYPE.columns).order_by(t.name, t.id))
        rows = (
            sa.select(*APPOINTMENT.columns)
            .where(
                a.dentist_id == _DENTIST,
                a.starts_at > sa.bindparam("started_after"),
                a.ends_at > sa.bindparam("live_after"),
            )
            .order_by(a.starts_at, a.id)
        )
        self.live_rows = self._build(rows.where(schema.IS_LIVE))
        self.completed_rows = self._build(rows.where(schema.IS_COMPLETED))
        recent = k.created_at > sa.bindparam("since")
        self.recent_replies = self._build(
            sa.select(*STORED_REPLY.columns, k.dentist_id)
            .where(k.dentist_id == _DENTIST, recent, sa.not_(k.internal))
            .order_by(k.created_at.desc(), k.key.desc())
            .limit(sa.bindparam("at_most"))
            .offset(NO_OFFSET)
        )

    def _housekeeping(self) -> None:
        a, k = schema.appointments.c, schema.idempotency_keys.c
        self.delete_holds = self._delete_oldest((a.id,), a.updated_at, schema.IS_OVER_UNBOOKED)
        # Stored in the order of their ids, so those that are old enough come first.
        first = (
            sa.select(k.id, k.created_at)
            .order_by(k.id)
            .limit(sa.bindparam("at_most"))
            .offset(NO_OFFSET)
            .subquery()
        )
        old = sa.select(first.c.id).where(first.c.created_at < sa.bindparam("before"))
        deleting = sa.delete(schema.idempotency_keys).where(k.id.in_(old))
        self.delete_replies = self._build(deleting.returning(k.id))

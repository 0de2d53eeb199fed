"""The statements that write accounts, sessions and signing keys."""

import sqlalchemy as sa

from actors.domain.issuers import HUB, HUB_SUBJECT_PREFIX
from actors.domain.principal import Role
from store.sql.codec import (
    ACCOUNT,
    CEREMONY,
    INVITATION,
    MAIL_CODE,
    PASSKEY,
    PROVIDER_SIGN_IN,
    SESSION,
    SESSION_SECRETS,
    SIGNING_KEY,
    WRONG_CODES,
)
from store.sql.prepared import NO_OFFSET, StatementSet, columns_of
from store.sql.schema import (
    accounts,
    ceremonies,
    identities,
    invitations,
    mail_codes,
    passkeys,
    provider_sign_ins,
    provider_subjects,
    session_secrets,
    sessions,
    signing_keys,
    wrong_codes,
)

NO_COUNT: sa.ColumnElement[int] = sa.literal_column("0")
"""Of authenticators that do not count."""
_HUB: sa.ColumnElement[str] = sa.literal_column(f"'{HUB}'", sa.Text)
_SUBJECT: sa.ColumnElement[str] = sa.literal_column(f"'{HUB_SUBJECT_PREFIX}'", sa.Text)
_ADMIN: sa.ColumnElement[str] = sa.literal_column(f"'{Role.ADMIN}'", sa.Text)
_ROW: sa.BindParameter[str] = sa.bindparam("row_id")
_ACCOUNT: sa.BindParameter[str] = sa.bindparam("account", type_=sa.Text)


class SignInStatements(StatementSet):
    def __init__(self, dialect: sa.Dialect) -> None:
        super().__init__(dialect)
        self._accounts()
        self._sessions()
        self._invitations()
        self._mail_codes()
        self._providers()
        self._keys()

    def _accounts(self) -> None:
        a = accounts.c
        self.insert_account = self._build(sa.insert(accounts))
        # Locked, so that the sessions of one account are counted one after the other.
        finding = sa.select(*ACCOUNT.columns).where(a.id == _ROW)
        self.account = self._build(finding.with_for_update())
        i, is_of_hub = identities.c, identities.c.subject == _SUBJECT + a.id
        of_person = (i.issuer == _HUB, i.profile_id == sa.bindparam("person"))
        joined = sa.select(*ACCOUNT.columns).join_from(accounts, identities, is_of_hub)
        self.accounts_of_person = self._build(joined.where(*of_person))
        is_admin = a.role == _ADMIN
        self.accounts_of_admin = self._build(
            sa.select(*ACCOUNT.columns).where(is_admin, a.name == sa.bindparam("admin"))
        )

    def _sessions(self) -> None:
        s, k = sessions.c, session_secrets.c
        self.insert_session = self._build(sa.insert(sessions))
        self.insert_secrets = self._build(sa.insert(session_secrets))
        finding = (
            sa.select(*SESSION.columns, *SESSION_SECRETS.columns)
            .join_from(sessions, session_secrets, k.session_id == s.id)
            .where(k.handle_hash == sa.bindparam("handle"))
        )
        self.of_handle = self._build(finding.with_for_update())
        self.replace_secret = self._build(
            sa.update(session_secrets).where(k.session_id == _ROW),
            columns_of(session_secrets, without="session_id handle_hash rotation_key"),
        )
        self.use_session = self._build(sa.update(sessions).where(s.id == _ROW), ["used_at"])
        ending = sa.update(sessions).where(s.id == _ROW, s.ended_at.is_(None)).returning(s.id)
        self.end_session = self._build(ending, ["ended_at"])
        open_ones = (
            s.account_id == _ACCOUNT,
            s.ended_at.is_(None),
            s.ends_at > sa.bindparam("now", type_=s.ends_at.type),
        )
        newest = sa.select(s.id).where(*open_ones).order_by(s.used_at.desc(), s.id.desc())
        self.open_sessions = self._build(newest)
        is_old = sa.func.coalesce(s.ended_at, s.ends_at) < sa.bindparam(
            "before", type_=s.ends_at.type
        )
        old = (
            sa.select(s.id)
            .where(is_old)
            .order_by(s.id)
            .limit(sa.bindparam("at_most"))
            .offset(NO_OFFSET)
        )
        self.old_sessions = self._build(old)
        self.delete_secrets = self._build(sa.delete(session_secrets).where(k.session_id == _ROW))
        self.delete_session = self._build(sa.delete(sessions).where(s.id == _ROW))

    def _invitations(self) -> None:
        n, p, c = invitations.c, passkeys.c, ceremonies.c
        self.insert_invitation = self._build(sa.insert(invitations))
        of_token = sa.select(*INVITATION.columns).where(n.token_hash == sa.bindparam("token"))
        self.invitation_of_token = self._build(of_token)
        ending = sa.update(invitations).where(n.ended_at.is_(None))
        now = sa.bindparam("ended_at", type_=n.expires_at.type)
        self.end_invitation = self._build(
            ending.where(n.id == _ROW, n.expires_at > now).values(ended_at=now).returning(n.id)
        )
        self.end_invitations_of = self._build(
            ending.where(n.profile_id == sa.bindparam("person")), ["ended_at"]
        )
        self.forget_invitations = self._build(
            sa.delete(invitations).where(n.expires_at < sa.bindparam("before"))
        )
        self.insert_passkey = self._build(sa.insert(passkeys))
        self.passkey = self._build(
            sa.select(*PASSKEY.columns, *ACCOUNT.columns)
            .join_from(passkeys, accounts, accounts.c.id == p.account_id)
            .where(p.id == _ROW)
        )
        count = sa.bindparam("sign_count", type_=sa.BigInteger)
        using = sa.update(passkeys).where(
            p.id == _ROW, sa.or_(p.sign_count < count, p.sign_count == NO_COUNT)
        )
        self.use_passkey = self._build(
            using.values(sign_count=count, used_at=sa.bindparam("used_at")).returning(p.id)
        )
        self.passkeys_of = self._build(
            sa.select(*PASSKEY.columns).where(p.account_id == _ACCOUNT).order_by(p.created_at, p.id)
        )
        self.drop_passkey = self._build(
            sa.delete(passkeys).where(p.id == _ROW, p.account_id == _ACCOUNT)
        )
        self.drop_passkeys = self._build(sa.delete(passkeys).where(p.account_id == _ACCOUNT))
        self.insert_ceremony = self._build(sa.insert(ceremonies))
        self.take_ceremony = self._build(
            sa.delete(ceremonies)
            .where(c.handle_hash == sa.bindparam("handle"))
            .returning(*CEREMONY.columns)
        )
        self.forget_ceremonies = self._build(
            sa.delete(ceremonies).where(c.expires_at < sa.bindparam("before"))
        )

    def _mail_codes(self) -> None:
        m, w = mail_codes.c, wrong_codes.c
        self.insert_mail_code = self._build(sa.insert(mail_codes))
        asked = m.handle_hash == sa.bindparam("handle")
        finding = sa.select(*MAIL_CODE.columns).where(asked)
        self.mail_code = self._build(finding.with_for_update())
        self.try_mail_code = self._build(sa.update(mail_codes).where(asked), ["tries"])
        self.drop_mail_code = self._build(sa.delete(mail_codes).where(asked))
        self.forget_mail_codes = self._build(
            sa.delete(mail_codes).where(m.expires_at < sa.bindparam("before"))
        )
        self.wrong_codes = self._build(
            sa.select(*WRONG_CODES.columns).where(w.account_id == _ACCOUNT)
        )
        counting = self._upsert(wrong_codes)
        self.count_wrong_code = self._build(
            counting.on_conflict_do_update(
                index_elements=[w.account_id],
                set_={"since": counting.excluded.since, "count": counting.excluded["count"]},
            )
        )

    def _providers(self) -> None:
        b, s = provider_sign_ins.c, provider_subjects.c
        self.insert_provider_sign_in = self._build(sa.insert(provider_sign_ins))
        self.take_provider_sign_in = self._build(
            sa.delete(provider_sign_ins)
            .where(b.handle_hash == sa.bindparam("handle"))
            .returning(*PROVIDER_SIGN_IN.columns)
        )
        self.forget_provider_sign_ins = self._build(
            sa.delete(provider_sign_ins).where(b.expires_at < sa.bindparam("before"))
        )
        self.account_of_subject = self._build(
            sa.select(*ACCOUNT.columns)
            .join_from(provider_subjects, accounts, accounts.c.id == s.account_id)
            .where(s.issuer == sa.bindparam("of_issuer"), s.subject == sa.bindparam("of_subject"))
        )
        self.subjects_of = self._build(sa.select(s.subject).where(s.account_id == _ACCOUNT))
        self.insert_provider_subject = self._build(sa.insert(provider_subjects))
        self.drop_provider_subjects = self._build(
            sa.delete(provider_subjects).where(s.account_id == _ACCOUNT)
        )

    def _keys(self) -> None:
        k = signing_keys.c
        every = sa.select(*SIGNING_KEY.columns).order_by(k.created_at.desc(), k.id.desc())
        self.keys = self._build(every)
        self.insert_key = self._build(sa.insert(signing_keys))
        self.forget_keys = self._build(
            sa.delete(signing_keys).where(k.created_at < sa.bindparam("before"))
        )

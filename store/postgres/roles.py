"""What a PostgreSQL database needs before its tables: roles, one extension, one schema.

``chairside migrate`` creates them if its login may; otherwise it prints the statements for an
administrator.
"""

from sqlalchemy import URL, Connection, text
from sqlalchemy.exc import DBAPIError

from store.postgres.claims import OWNER, READER, SHOWN, WRITER
from store.postgres.errors import code_of
from store.postgres.sync import on_postgresql

_INSUFFICIENT_PRIVILEGE = "42501"
_RIGHTS = (
    ("public", OWNER, "CREATE"),
    ("public", OWNER, "USAGE"),
    ("public", WRITER, "USAGE"),
    ("public", READER, "USAGE"),
    (SHOWN, OWNER, "CREATE"),
    (SHOWN, READER, "USAGE"),
)
"""Schema, role, right."""


class RolesMissing(Exception):
    """The login may not create what is missing; ``script`` is for an administrator."""

    def __init__(self, script: str) -> None:
        super().__init__(script)
        self.script = script

    def __str__(self) -> str:
        return (
            "this login may not prepare the database; let an administrator run in it:\n\n"
            f"{self.script}\n\nthen run `chairside migrate` again"
        )


def prepare(connection: Connection, login: str | None) -> None:
    """Create what is missing. ``login`` is that of the hub itself, ``None`` for the current one.

    Raises RolesMissing.
    """
    missing = _missing(connection, login)
    if not missing:
        return
    try:
        with connection.begin_nested():
            for statement in missing:
                connection.exec_driver_sql(statement)
    except DBAPIError as error:
        if code_of(error.orig) == _INSUFFICIENT_PRIVILEGE:
            raise RolesMissing("\n".join(f"{line};" for line in missing)) from error
        raise


_NO_SYSTEM_COLUMNS = f"""
DO $$
DECLARE
    found record;
BEGIN
    FOR found IN
        SELECT c.oid::regclass AS name, string_agg(quote_ident(a.attname), ', ') AS columns
        FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p')
        AND a.attnum > 0 AND NOT a.attisdropped
        AND has_any_column_privilege('{READER}', c.oid, 'SELECT')
        GROUP BY c.oid
    LOOP
        EXECUTE format('REVOKE SELECT ON %s FROM {READER}', found.name);
        EXECUTE format('GRANT SELECT (%s) ON %s TO {READER}', found.columns, found.name);
    END LOOP;
END $$
"""  # noqa: S608  # our own names


def hide_system_columns(connection: Connection) -> None:
    """Let readers read the columns of each table that they may read, and no system columns.

    ``ctid`` and ``xmin`` of two rows reveal how much was written between them. Run after every
    migration, as the owner, so that it also covers new tables and columns: a column that
    readers must not see is hidden by a view, as those of ``profiles`` are.
    """
    connection.exec_driver_sql(_NO_SYSTEM_COLUMNS)


def lacking(url: URL) -> list[str]:
    """What the login of the hub lacks to work on a migrated database."""

    def look(connection: Connection) -> list[str]:
        login = str(connection.scalar(text("SELECT session_user")))
        return [
            f"the login {login} is no member of {role}: GRANT {role} TO {login}"
            for role in (WRITER, READER)
            if not _is_member(connection, login, role)
        ]

    return on_postgresql(url, look)


def _missing(connection: Connection, login: str | None) -> list[str]:
    here = str(connection.scalar(text("SELECT current_user")))
    login = login or here
    roles = set(connection.scalars(text("SELECT rolname FROM pg_roles WHERE rolname ~ '^hub_'")))
    missing = [
        f"CREATE ROLE {role} NOLOGIN" for role in (OWNER, WRITER, READER) if role not in roles
    ]
    wanted = [(here, OWNER), (login, WRITER), (login, READER)]
    missing += [
        f"GRANT {role} TO {_quoted(connection, member)}"
        for member, role in wanted
        if role not in roles or not _is_member(connection, member, role)
    ]
    if not connection.scalar(text("SELECT 1 FROM pg_extension WHERE extname = 'btree_gist'")):
        missing.append("CREATE EXTENSION btree_gist")
    if not connection.scalar(text("SELECT to_regnamespace(:name)"), {"name": SHOWN}):
        missing.append(f"CREATE SCHEMA {SHOWN} AUTHORIZATION {OWNER}")
    for schema, role, right in _RIGHTS:
        if role not in roles or not _may(connection, role, schema, right):
            missing.append(f"GRANT {right} ON SCHEMA {schema} TO {role}")
    return missing


def _is_member(connection: Connection, member: str, role: str) -> bool:
    query = text("SELECT pg_has_role(CAST(:member AS name), CAST(:role AS name), 'MEMBER')")
    return bool(connection.scalar(query, {"member": member, "role": role}))


def _may(connection: Connection, role: str, schema: str, right: str) -> bool:
    """``False`` also if the schema does not exist yet."""
    query = text(
        "SELECT has_schema_privilege(CAST(:role AS name), oid, :right)"
        " FROM pg_namespace WHERE nspname = :schema"
    )
    return bool(connection.scalar(query, {"role": role, "schema": schema, "right": right}))


def _quoted(connection: Connection, name: str) -> str:
    return str(connection.scalar(text("SELECT quote_ident(:name)"), {"name": name}))

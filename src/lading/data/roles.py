"""Who may do what on a PostgreSQL server that Lading runs: programs own their database and nothing else.

A server whose first role is the programs' own (as earlier versions made them) is handed over: that role, which can
never lose its rights, gets another name and may log in no more, and a new one of its old name gets all that it owned.
This is one transaction: whoever dies in it leaves the server as it was.
"""

from collections.abc import Iterator
from typing import Any

# The first role of a server, which owns the system's own tables: it must stay what it is.
FIRST = 10
FORMER = "lading-former"  # what it is called once the programs have another role

# Shorter than the second after which the server looks for deadlocks: it is us who give way, never a visitor.
LOCK_TIMEOUT = 400  # milliseconds

BUSY = "what it owns is in use; the next deploy tries again"
BY_HAND = "an administrator made it so"

# What belongs to the first role in this database and not to the system or an extension. What belongs to a table (its
# indexes, its own sequences) goes with the table.
_OWNED = """
WITH taken AS (SELECT classid, objid FROM pg_depend WHERE deptype = 'e'),
     ours AS (SELECT oid FROM pg_namespace WHERE nspname <> 'information_schema' AND nspname !~ '^pg_')
SELECT format('SCHEMA %%I', nspname) FROM pg_namespace
 WHERE nspowner = %(first)s AND oid IN (SELECT oid FROM ours)
   AND ('pg_namespace'::regclass, oid) NOT IN (SELECT classid, objid FROM taken)
UNION ALL
SELECT format('TABLE %%s', oid::regclass) FROM pg_class
 WHERE relowner = %(first)s AND relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND relnamespace IN (SELECT oid FROM ours)
   AND ('pg_class'::regclass, oid) NOT IN (SELECT classid, objid FROM taken)
   AND NOT (relkind = 'S' AND EXISTS (
        SELECT FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid = pg_class.oid
           AND refclassid = 'pg_class'::regclass AND deptype IN ('a', 'i')))
UNION ALL
SELECT format('ROUTINE %%s', oid::regprocedure) FROM pg_proc
 WHERE proowner = %(first)s AND pronamespace IN (SELECT oid FROM ours)
   AND ('pg_proc'::regclass, oid) NOT IN (SELECT classid, objid FROM taken)
UNION ALL
SELECT format('TYPE %%s', oid::regtype) FROM pg_type
 WHERE typowner = %(first)s AND typnamespace IN (SELECT oid FROM ours)
   AND (typtype IN ('e', 'd', 'r') OR typtype = 'c' AND EXISTS (
        SELECT FROM pg_class WHERE pg_class.oid = typrelid AND relkind = 'c'))
   AND ('pg_type'::regclass, oid) NOT IN (SELECT classid, objid FROM taken)
UNION ALL
SELECT format('STATISTICS %%I.%%I', stxnamespace::regnamespace, stxname) FROM pg_statistic_ext
 WHERE stxowner = %(first)s
UNION ALL
SELECT format('LARGE OBJECT %%s', oid) FROM pg_largeobject_metadata WHERE lomowner = %(first)s
"""


def may_do_everything(connection: Any) -> bool:
    """Tell whether who is logged in is a superuser."""
    return bool(connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()[0])


def make_admin(connection: Any, admin: str, password: str) -> None:
    """Make the administrator, or give it the password that it has to have."""
    from psycopg import sql

    known = connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [admin]).fetchone()
    words = "ALTER ROLE {} SUPERUSER LOGIN PASSWORD {}" if known else "CREATE ROLE {} SUPERUSER LOGIN PASSWORD {}"
    connection.execute(sql.SQL(words).format(sql.Identifier(admin), _verifier(connection, admin, password)))


def hand_over(connection: Any, role: str, password: str) -> str:
    """Give a role what is the programs', as an administrator of its database; return why it may still do everything."""
    import psycopg

    try:
        with connection.transaction():
            return _handed_over(connection, role, password)
    except (psycopg.errors.LockNotAvailable, psycopg.errors.DeadlockDetected, psycopg.errors.QueryCanceled):
        return BUSY


def _handed_over(connection: Any, role: str, password: str) -> str:
    from psycopg import sql

    name = sql.Identifier(role)
    found = connection.execute("SELECT oid, rolsuper FROM pg_roles WHERE rolname = %s", [role]).fetchone()
    if found is not None and not found[1]:
        return ""
    if found is not None and found[0] != FIRST:
        return BY_HAND
    connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT}")
    if found is not None:
        former = sql.Identifier(FORMER)
        connection.execute(sql.SQL("ALTER ROLE {} RENAME TO {}").format(name, former))
        connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(former))
    made = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, _verifier(connection, role, password))
    connection.execute(made)
    for owned in (_database(connection), *_owned(connection)):
        connection.execute(sql.SQL("ALTER {} OWNER TO {}").format(sql.SQL(owned), name))
    return ""


def _database(connection: Any) -> str:
    return str(connection.execute("SELECT format('DATABASE %I', current_database())").fetchone()[0])


def _owned(connection: Any) -> Iterator[str]:
    # A list, as each is changed while the next is asked for.
    yield from [str(row[0]) for row in connection.execute(_OWNED, {"first": FIRST}).fetchall()]


def _verifier(connection: Any, role: str, password: str) -> Any:
    """Return what the server keeps of a password, so that the password itself is in no statement it could log."""
    from psycopg import sql

    made = connection.pgconn.encrypt_password(password.encode(), role.encode(), b"scram-sha-256")
    return sql.Literal(made.decode())

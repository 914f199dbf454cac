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
SELECT format('COLLATION %%s', oid::regcollation) FROM pg_collation
 WHERE collowner = %(first)s AND collnamespace IN (SELECT oid FROM ours)
   AND ('pg_collation'::regclass, oid) NOT IN (SELECT classid, objid FROM taken)
UNION ALL
SELECT format('TEXT SEARCH CONFIGURATION %%s', oid::regconfig) FROM pg_ts_config
 WHERE cfgowner = %(first)s AND cfgnamespace IN (SELECT oid FROM ours)
   AND ('pg_ts_config'::regclass, oid) NOT IN (SELECT classid, objid FROM taken)
UNION ALL
SELECT format('TEXT SEARCH DICTIONARY %%s', oid::regdictionary) FROM pg_ts_dict
 WHERE dictowner = %(first)s AND dictnamespace IN (SELECT oid FROM ours)
   AND ('pg_ts_dict'::regclass, oid) NOT IN (SELECT classid, objid FROM taken)
UNION ALL
SELECT format('PUBLICATION %%I', pubname) FROM pg_publication WHERE pubowner = %(first)s AND NOT puballtables
UNION ALL
SELECT format('LARGE OBJECT %%s', oid) FROM pg_largeobject_metadata WHERE lomowner = %(first)s
"""

# What was said of the first role besides: who else is a member of it, and of which it is one, and what those who come
# later get of what it makes.
_SAID = """
SELECT format('GRANT %%I TO %%I', %(role)s::text, pg_get_userbyid(member)) FROM pg_auth_members
 WHERE roleid = %(first)s
UNION ALL
SELECT format('REVOKE %%I FROM %%I CASCADE', %(former)s::text, pg_get_userbyid(member)) FROM pg_auth_members
 WHERE roleid = %(first)s
UNION ALL
SELECT format('GRANT %%I TO %%I', pg_get_userbyid(roleid), %(role)s::text) FROM pg_auth_members WHERE member = %(first)s
UNION ALL
SELECT format('ALTER DEFAULT PRIVILEGES FOR ROLE %%I %%s GRANT %%s ON %%s TO %%s %%s', %(role)s::text,
              CASE defaclnamespace WHEN 0 THEN '' ELSE 'IN SCHEMA ' || defaclnamespace::regnamespace END,
              privilege_type,
              CASE defaclobjtype WHEN 'r' THEN 'TABLES' WHEN 'S' THEN 'SEQUENCES' WHEN 'f' THEN 'ROUTINES'
                                 WHEN 'T' THEN 'TYPES' WHEN 'n' THEN 'SCHEMAS' ELSE 'LARGE OBJECTS' END,
              CASE grantee WHEN 0 THEN 'PUBLIC' ELSE grantee::regrole::text END,
              CASE WHEN is_grantable THEN 'WITH GRANT OPTION' ELSE '' END)
  FROM pg_default_acl, aclexplode(defaclacl)
 WHERE defaclrole = %(first)s AND grantee <> %(first)s
"""

# As they stand, since a list is not written as it is kept. What takes a superuser to set holds all the same, as before.
_SETTINGS = """
INSERT INTO pg_db_role_setting (setdatabase, setrole, setconfig)
SELECT setdatabase, (SELECT oid FROM pg_roles WHERE rolname = %(role)s), setconfig
  FROM pg_db_role_setting WHERE setrole = %(first)s
"""


def may_do_everything(connection: Any) -> bool:
    """Tell whether who is logged in is a superuser."""
    return bool(connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone()[0])


def make_admin(connection: Any, admin: str, password: str) -> None:
    """Make the administrator, or give it the password that it has to have."""
    from psycopg import sql

    known = connection.execute("SELECT 1 FROM pg_roles WHERE rolname = %s", [admin]).fetchone()
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
    connection.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT}")
    if found is not None and not found[1]:
        # Sessions that were open meanwhile may have made more.
        if connection.execute("SELECT 1 FROM pg_roles WHERE (oid, rolname) = (%s, %s)", [FIRST, FORMER]).fetchone():
            _give(connection, name)
        return ""
    if found is not None and found[0] != FIRST:
        return BY_HAND
    if found is not None:
        former = sql.Identifier(FORMER)
        connection.execute(sql.SQL("ALTER ROLE {} RENAME TO {}").format(name, former))
        connection.execute(sql.SQL("ALTER ROLE {} NOLOGIN PASSWORD NULL").format(former))
    made = sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(name, _verifier(connection, role, password))
    connection.execute(made)
    if found is not None:
        _say_again(connection, role)
    _give(connection, name, _database(connection))
    return ""


def _say_again(connection: Any, role: str) -> None:
    """Say of the new role what was said of the first one."""
    values = {"role": role, "first": FIRST, "former": FORMER}
    for row in connection.execute(_SAID, values).fetchall():
        connection.execute(row[0])
    connection.execute(_SETTINGS, values)


def _give(connection: Any, name: Any, *more: str) -> None:
    """Give a role ``more``, and whatever the first one owns in this database."""
    from psycopg import sql

    for owned in (*more, *_owned(connection)):
        connection.execute(sql.SQL("ALTER {} OWNER TO {}").format(sql.SQL(owned), name))


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

"""PostgreSQL's system tables and functions, as DuckDB statements over what DuckDB holds.

https://www.postgresql.org/docs/16/catalogs.html has the columns; those that no client was seen to
ask are left out.
"""

from collections.abc import Iterator

from lakehead.query.types import quoted
from lakehead.server.postgres import types

SCHEMA = "pgc"
VERSION = "PostgreSQL 16.0 (lakehead, DuckDB)"
DATABASE = "lakehead"
# Name, number, bytes, category, number of the type of its arrays.
TYPES = (
    ("bool", types.BOOL, 1, "B", 1000),
    ("bytea", types.BYTEA, -1, "U", 1001),
    ("char", types.CHAR, 1, "Z", 1002),
    ("name", types.NAME, 64, "S", 1003),
    ("int8", types.INT8, 8, "N", 1016),
    ("int2", types.INT2, 2, "N", 1005),
    ("int4", types.INT4, 4, "N", 1007),
    ("text", types.TEXT, -1, "S", 1009),
    ("oid", types.OID, 4, "N", 1028),
    ("json", types.JSON, -1, "U", 199),
    ("float4", types.FLOAT4, 4, "N", 1021),
    ("float8", types.FLOAT8, 8, "N", 1022),
    ("varchar", types.VARCHAR, -1, "S", 1015),
    ("date", types.DATE, 4, "D", 1182),
    ("time", types.TIME, 8, "D", 1183),
    ("timestamp", types.TIMESTAMP, 8, "D", 1115),
    ("timestamptz", types.TIMESTAMPTZ, 8, "D", 1185),
    ("interval", types.INTERVAL, 16, "T", 1187),
    ("numeric", types.NUMERIC, -1, "N", 1231),
    ("uuid", types.UUID, 16, "U", 2951),
)
_SPELLED = {
    "bool": "boolean",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "float4": "real",
    "float8": "double precision",
    "time": "time without time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "varchar": "character varying",
}
# Of these a lake has none.
_EMPTY = {
    "pg_attrdef": "oid, adrelid, adnum, adbin",
    "pg_auth_members": "roleid, member, grantor, admin_option",
    "pg_collation": "oid, collname, collnamespace, collprovider, collencoding",
    "pg_constraint": "oid, conname, connamespace, contype, conrelid, confrelid, conkey, confkey,"
    " conindid, confupdtype, confdeltype, confmatchtype, condeferrable, condeferred, convalidated,"
    " contypid, conparentid, conislocal, coninhcount, connoinherit, conbin",
    "pg_depend": "classid, objid, objsubid, refclassid, refobjid, refobjsubid, deptype",
    "pg_description": "objoid, classoid, objsubid, description",
    "pg_enum": "oid, enumtypid, enumsortorder, enumlabel",
    "pg_extension": "oid, extname, extowner, extnamespace, extversion",
    "pg_foreign_server": "oid, srvname, srvfdw",
    "pg_foreign_table": "ftrelid, ftserver, ftoptions",
    "pg_index": "indexrelid, indrelid, indnatts, indnkeyatts, indisunique, indisprimary,"
    " indisexclusion, indimmediate, indisclustered, indisvalid, indisready, indisreplident, indkey,"
    " indcollation, indclass, indoption, indexprs, indpred, indnullsnotdistinct",
    "pg_inherits": "inhrelid, inhparent, inhseqno, inhdetachpending",
    "pg_language": "oid, lanname",
    "pg_locks": "locktype, database, relation, pid, mode, granted",
    "pg_matviews": "schemaname, matviewname, matviewowner, tablespace, hasindexes, ispopulated,"
    " definition",
    "pg_opclass": "oid, opcname, opcnamespace, opcmethod",
    "pg_partitioned_table": "partrelid, partstrat, partnatts, partattrs",
    "pg_policy": "oid, polname, polrelid, polcmd, polpermissive, polroles, polqual, polwithcheck",
    "pg_proc": "oid, proname, pronamespace, proowner, prolang, prokind, prorettype, proargtypes,"
    " proargnames, proargmodes, proallargtypes, pronargs, proretset, prosrc",
    "pg_publication": "oid, pubname, puballtables",
    "pg_publication_rel": "oid, prpubid, prrelid, prqual, prattrs",
    "pg_publication_namespace": "oid, pnpubid, pnnspid",
    "pg_range": "rngtypid, rngsubtype, rngmultitypid",
    "pg_rewrite": "oid, rulename, ev_class, ev_type, ev_enabled, is_instead",
    "pg_rules": "schemaname, tablename, rulename, definition",
    "pg_sequence": "seqrelid, seqtypid, seqstart, seqincrement, seqmax, seqmin, seqcache, seqcycle",
    "pg_shdescription": "objoid, classoid, description",
    "pg_stat_activity": "datid, datname, pid, usename, application_name, state, query",
    "pg_statistic_ext": "oid, stxrelid, stxname, stxnamespace, stxkeys, stxkind, stxstattarget",
    "pg_trigger": "oid, tgrelid, tgname, tgfoid, tgtype, tgenabled, tgisinternal, tgparentid,"
    " tgconstraint",
}
# PostgreSQL's functions, as macros; ``pgf_`` before a name, since DuckDB has some of them itself.
_FUNCTIONS = {
    "version()": f"'{VERSION}'",
    "current_database()": f"'{DATABASE}'",
    "current_catalog()": f"'{DATABASE}'",
    "current_schema()": "'public'",
    "current_schemas(implicit)": "['pg_catalog', 'public']",
    "current_user()": "'lakehead'",
    "session_user()": "'lakehead'",
    "pg_get_userbyid(oid)": "'lakehead'",
    "pg_table_is_visible(oid)": "true",
    "pg_type_is_visible(oid)": "true",
    "pg_function_is_visible(oid)": "true",
    "pg_is_in_recovery()": "false",
    "pg_backend_pid()": "0",
    "pg_encoding_to_char(n)": "'UTF8'",
    "pg_get_expr(node, relation, pretty := false)": "NULL::VARCHAR",
    "pg_get_constraintdef(oid, pretty := false)": "NULL::VARCHAR",
    "pg_get_indexdef(oid, part := 0, pretty := false)": "NULL::VARCHAR",
    "pg_get_viewdef(oid, pretty := false)": "NULL::VARCHAR",
    "pg_get_partkeydef(oid)": "NULL::VARCHAR",
    "pg_get_statisticsobjdef_columns(oid)": "NULL::VARCHAR",
    "pg_get_serial_sequence(relation, part)": "NULL::VARCHAR",
    "pg_relation_is_publishable(oid)": "false",
    "pg_relation_size(oid)": "0",
    "pg_table_size(oid)": "0",
    "pg_total_relation_size(oid)": "0",
    "pg_size_pretty(n)": "n || ' bytes'",
    "pg_tablespace_location(oid)": "''",
    "obj_description(oid, catalog := '')": "NULL::VARCHAR",
    "col_description(oid, part)": "NULL::VARCHAR",
    "shobj_description(oid, catalog)": "NULL::VARCHAR",
    "has_database_privilege(a, b, c := '')": "true",
    "has_schema_privilege(a, b, c := '')": "true",
    "has_table_privilege(a, b, c := '')": "true",
    "has_column_privilege(a, b, c, d := '')": "true",
    "quote_ident(given)": "given",
    "set_config(given, wanted, local)": "wanted",
    "current_setting(given, missing := false)": f"(SELECT setting FROM {SCHEMA}.pg_settings s"
    " WHERE s.name = lower(given))",
    "format_type(number, modifier)": f"(SELECT spelled FROM {SCHEMA}.types t WHERE t.oid = number)",
    "regclass(given)": f"(SELECT min(c.oid) FROM {SCHEMA}.pg_class c JOIN {SCHEMA}.pg_namespace n"
    " ON n.oid = c.relnamespace WHERE replace(given, '\"', '') IN"
    " (c.relname, n.nspname || '.' || c.relname))",
    "regclass_name(number)": f"(SELECT min(n.nspname || '.' || c.relname) FROM {SCHEMA}.pg_class c"
    f" JOIN {SCHEMA}.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = number)",
    "regtype(given)": f"(SELECT min(t.oid) FROM {SCHEMA}.types t"
    " WHERE given IN (typname, spelled))",
    "regtype_name(number)": f"(SELECT min(spelled) FROM {SCHEMA}.types t WHERE t.oid = number)",
    "to_regtype(given)": f"(SELECT min(t.oid) FROM {SCHEMA}.types t"
    " WHERE given IN (typname, spelled))",
    "_pg_expandarray(given)": "{'x': NULL::BIGINT, 'n': 0}",
    "array_upper(given, dimension)": "len(given)",
    "array_lower(given, dimension)": "1",
    "list(given)": "string_split(translate(given, '{}\"', ''), ',')",
    "regclass_number(number)": "CAST(number AS BIGINT)",
    "regtype_number(number)": "CAST(number AS BIGINT)",
    "regnamespace_number(number)": "CAST(number AS BIGINT)",
    "pg_get_function_result(oid)": "NULL::VARCHAR",
    "pg_get_function_arguments(oid)": "NULL::VARCHAR",
    "pg_get_function_identity_arguments(oid)": "NULL::VARCHAR",
    "pg_get_triggerdef(oid, pretty := false)": "NULL::VARCHAR",
    "pg_get_ruledef(oid, pretty := false)": "NULL::VARCHAR",
    "pg_column_is_updatable(oid, part, triggers)": "false",
    "regnamespace(given)": f"(SELECT min(oid) FROM {SCHEMA}.pg_namespace WHERE nspname = given)",
}
FUNCTIONS = frozenset(signature.partition("(")[0] for signature in _FUNCTIONS)


def statements() -> Iterator[str]:
    """Makes the schema ``pgc``, once the lake's tables are there."""
    yield f"CREATE SCHEMA {SCHEMA}"
    rows = ", ".join(
        f"({oid}, '{name}', {size}, '{category}', {array}, '{_SPELLED.get(name, name)}')"
        for name, oid, size, category, array in TYPES
    )
    yield (
        f"CREATE TABLE {SCHEMA}.types AS SELECT * FROM (VALUES {rows})"
        " t(oid, typname, typlen, typcategory, typarray, spelled)"
    )
    yield from (_table(name, select) for name, select in _TABLES.items())
    for name, columns in _EMPTY.items():
        nulls = ", ".join(f"NULL::{_kind(c)} AS {quoted(c)}" for c in columns.split(", "))
        yield _table(name, f"SELECT {nulls} WHERE false")
    for signature, body in _FUNCTIONS.items():
        yield f"CREATE MACRO pgf_{signature} AS {body}"


def _table(name: str, select: str) -> str:
    return f"CREATE TABLE {SCHEMA}.{name} AS {select}"


def _kind(column: str) -> str:
    if column.endswith(("key", "keys", "argtypes", "argnames", "attrs", "indoption", "indclass")):
        return "BIGINT[]"
    if column == "stxkind":
        return "VARCHAR[]"
    if column.endswith(("oid", "relid", "namespace", "owner", "num", "subid", "count")):
        return "BIGINT"
    if "is" in column[:6] or column.endswith(("able", "tables", "validated", "set", "inherit")):
        return "BOOLEAN"
    return "VARCHAR"


def _number(duckdb: str) -> str:
    """SQL that gives the type's number of a column of ``duckdb_columns()``."""
    cases = " ".join(f"WHEN '{name}' THEN {oid}" for name, oid in types.NUMBERS.items())
    return (
        f"CASE WHEN {duckdb} LIKE 'DECIMAL%' THEN {types.NUMERIC}"
        f" WHEN {duckdb} LIKE 'STRUCT(%' OR {duckdb} LIKE 'MAP(%' OR {duckdb} LIKE '%]'"
        f" THEN {types.JSON} ELSE CASE {duckdb} {cases} ELSE {types.TEXT} END END"
    )


_USER = 10
_OF_LAKE = "database_name = 'memory' AND schema_name NOT IN ('main', 'pgc')"
_TABLES = {
    "pg_namespace": "SELECT 90000 + row_number() OVER (ORDER BY s) AS oid, s AS nspname,"
    f" {_USER} AS nspowner, NULL::VARCHAR[] AS nspacl FROM (SELECT 'pg_catalog' AS s UNION ALL"
    " SELECT 'public' UNION ALL SELECT 'information_schema' UNION ALL"
    f" SELECT DISTINCT schema_name FROM duckdb_tables() WHERE {_OF_LAKE})",
    "pg_class": "SELECT 100000 + row_number() OVER (ORDER BY schema_name, table_name) AS oid,"
    " table_name AS relname, n.oid AS relnamespace, 0 AS reltype, 0 AS reloftype,"
    f" {_USER} AS relowner, 2 AS relam, 0 AS relfilenode, 0 AS reltablespace, 0 AS relpages,"
    " -1::FLOAT AS reltuples, 0 AS relallvisible, 0 AS reltoastrelid, false AS relhasindex,"
    " false AS relisshared, 'p' AS relpersistence, 'r' AS relkind, column_count AS relnatts,"
    " 0 AS relchecks, false AS relhasrules, false AS relhastriggers, false AS relhassubclass,"
    " false AS relrowsecurity, false AS relforcerowsecurity, true AS relispopulated,"
    " 'd' AS relreplident, false AS relispartition, 0 AS relrewrite, NULL::VARCHAR[] AS relacl,"
    " NULL::VARCHAR[] AS reloptions, NULL::VARCHAR AS relpartbound"
    f" FROM duckdb_tables() JOIN {SCHEMA}.pg_namespace n ON n.nspname = schema_name"
    f" WHERE {_OF_LAKE}",
    "pg_attribute": "SELECT c.oid AS attrelid, column_name AS attname, atttypid,"
    " coalesce(t.typlen, -1) AS attlen, column_index AS attnum, 0 AS attndims, -1 AS atttypmod,"
    " false AS attnotnull, false AS atthasdef, '' AS attidentity, '' AS attgenerated,"
    " false AS attisdropped, true AS attislocal, 0 AS attinhcount, 0 AS attcollation,"
    " NULL::VARCHAR[] AS attacl, -1 AS attstattarget, 'p' AS attstorage, '' AS attcompression,"
    " false AS atthasmissing, NULL::VARCHAR[] AS attoptions, NULL::VARCHAR[] AS attfdwoptions"
    f" FROM (SELECT *, {_number('data_type')} AS atttypid FROM duckdb_columns()"
    f" WHERE {_OF_LAKE}) d JOIN {SCHEMA}.pg_namespace n ON n.nspname = d.schema_name"
    f" JOIN {SCHEMA}.pg_class c ON c.relnamespace = n.oid AND c.relname = d.table_name"
    f" LEFT JOIN {SCHEMA}.types t ON t.oid = atttypid",
    # What the names of a type's functions end in is what ADBC knows types by.
    "pg_type": "SELECT oid, typname, (SELECT oid FROM pgc.pg_namespace WHERE nspname ="
    f" 'pg_catalog') AS typnamespace, {_USER} AS typowner, typlen, typlen BETWEEN 1 AND 8"
    " AS typbyval, 'b' AS typtype, typcategory, false AS typispreferred, true AS typisdefined,"
    " ',' AS typdelim, 0 AS typrelid, 0 AS typelem, typarray, f || 'in' AS typinput,"
    " f || 'out' AS typoutput, f || 'recv' AS typreceive, f || 'send' AS typsend,"
    " false AS typnotnull, 0 AS typbasetype, -1 AS typtypmod, 0 AS typndims, 0 AS typcollation,"
    " NULL::VARCHAR AS typdefault FROM (SELECT *, typname || CASE WHEN typname IN ('date', 'time',"
    " 'timestamp', 'timestamptz', 'interval', 'numeric', 'uuid', 'json') THEN '_' ELSE '' END AS f"
    f" FROM {SCHEMA}.types)",
    "pg_database": f"SELECT 1 AS oid, '{DATABASE}' AS datname, {_USER} AS datdba, 6 AS encoding,"
    " 'c' AS datlocprovider, false AS datistemplate, true AS datallowconn, -1 AS datconnlimit,"
    " 'C' AS datcollate, 'C' AS datctype, NULL::VARCHAR AS daticulocale,"
    " NULL::VARCHAR AS daticurules, 0 AS dattablespace, NULL::VARCHAR[] AS datacl",
    "pg_roles": f"SELECT {_USER} AS oid, 'lakehead' AS rolname, false AS rolsuper,"
    " true AS rolinherit, false AS rolcreaterole, false AS rolcreatedb, true AS rolcanlogin,"
    " false AS rolreplication, false AS rolbypassrls, -1 AS rolconnlimit,"
    " NULL::TIMESTAMPTZ AS rolvaliduntil, NULL::VARCHAR[] AS rolconfig",
    "pg_authid": f"SELECT * FROM {SCHEMA}.pg_roles",
    "pg_user": f"SELECT rolname AS usename, oid AS usesysid FROM {SCHEMA}.pg_roles",
    "pg_am": "SELECT 2 AS oid, 'heap' AS amname, 't' AS amtype",
    "pg_tablespace": f"SELECT 0 AS oid, 'pg_default' AS spcname, {_USER} AS spcowner",
    "pg_settings": "SELECT * FROM (VALUES ('server_version', '16.0'), ('server_version_num',"
    " '160000'), ('standard_conforming_strings', 'on'), ('max_index_keys', '32'),"
    " ('timezone', 'UTC'), ('search_path', 'public'), ('is_superuser', 'off'),"
    " ('default_transaction_read_only', 'on')) t(name, setting)",
    "pg_tables": "SELECT nspname AS schemaname, relname AS tablename, 'lakehead' AS tableowner,"
    f" NULL::VARCHAR AS tablespace FROM {SCHEMA}.pg_class JOIN {SCHEMA}.pg_namespace n"
    " ON n.oid = relnamespace",
    "pg_views": "SELECT NULL::VARCHAR AS schemaname, NULL::VARCHAR AS viewname,"
    " NULL::VARCHAR AS viewowner, NULL::VARCHAR AS definition WHERE false",
}

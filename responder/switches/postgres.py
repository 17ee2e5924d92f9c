"""A switch in the app's own PostgreSQL: a guard before every insert, and a flag it obeys.

The SQL side stands in `playbooks/sql/switch-install.sql`, with how and why it holds.
"""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Annotated, Any, ClassVar, Literal

import psycopg
from psycopg import errors, sql
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from responder.databases import DatabaseError, Row
from responder.switches.base import Reach, Reading, SwitchError, SwitchState

LOCK_CLASS = 0x72657370  # "resp": keeps our advisory locks apart from the app's own
LONGEST_NAME = 50  # PostgreSQL cuts identifiers at 63 bytes, and ours append a word
STATEMENT_SECONDS = 3.0  # no statement of ours takes longer, waiting for locks aside
NETWORK_SECONDS = 10.0  # on top of our patience: to connect, and for answers lost on the way
QUERY_SHOWN = 60

Connection = psycopg.AsyncConnection[Row]
TableName = Annotated[str, StringConstraints(pattern=r"^[^.\s\"]+\.[^.\s\"]+$")]


class PostgresOptions(BaseModel):
    """What `switches.yaml` says about a switch of this kind.

    `guards` are the tables, `schema.table`, that take no insert while paused. `patience` is
    how many seconds a pause waits for transactions that began before it; those that last
    longer are named, and with `on_hang: terminate` ended.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    database: str
    guards: list[TableName] = Field(default=["public.credit_transactions"], min_length=1)
    patience: float = Field(default=2.0, ge=0.1, le=60)
    on_hang: Literal["terminate", "report"] = "report"


class PostgresDriver:
    """Pauses inserts so that none commits after the pause is confirmed."""

    Options: ClassVar[type[BaseModel]] = PostgresOptions

    def __init__(self, name: str, options: PostgresOptions, reach: Reach) -> None:
        self._name = name
        self._options = options
        self._databases = reach.databases
        self._parts = parts(name)
        self._table_list = sql.SQL(", ").join(map(sql.Literal, options.guards))

    async def pause(self, *, reason: str, key: str) -> Reading:
        """Refuse new inserts at once, then wait for the transactions that began before."""
        async with self._connect() as connection:
            try:
                answer = await _run(
                    connection, self._set(True, reason), *self._confirm(), self._status()
                )
                return self._reading(answer)
            except errors.LockNotAvailable:
                await connection.rollback()
            return await self._hung(connection)

    async def resume(self, *, reason: str, key: str) -> Reading:
        """Let inserts through again."""
        async with self._connect() as connection:
            return self._reading(
                await _run(connection, self._set(False, reason), _within(), self._status())
            )

    async def read(self) -> Reading:
        """The flag, the guards, and who could still commit in spite of a pause."""
        async with self._connect() as connection:
            return self._reading(await _run(connection, _within(), self._status()))

    async def _hung(self, connection: Connection) -> Reading:
        """The pause is set, but somebody outstayed our patience."""
        answer = await _run(connection, _within(), self._status())
        lines = [_line(holdout) for holdout in answer["holdouts"]]
        if self._options.on_hang == "report" or not lines:
            return self._reading(answer)
        lines = [
            f"{line}; {await self._terminate(connection, holdout['pid'])}"
            for line, holdout in zip(lines, answer["holdouts"], strict=True)
        ]
        try:
            answer = await _run(connection, *self._confirm(), self._status())
        except errors.LockNotAvailable:
            await connection.rollback()
            answer = await _run(connection, _within(), self._status())
        return self._reading(answer, tuple(lines))

    async def _terminate(self, connection: Connection, pid: int | None) -> str:
        """End the session if it still stands in the way; what came of it, in words."""
        if pid is None:
            return "not ended: a prepared transaction must be committed or rolled back by hand"
        query = sql.SQL(
            "select pg_terminate_backend(holder.pid) as done from pg_locks as holder "
            "where holder.pid = {pid} and {holds} limit 1"
        ).format(pid=pid, **self._parts)
        try:
            answer = await _run(connection, _within(), query, sql.SQL("commit"))
        except errors.InsufficientPrivilege:
            await connection.rollback()
            return "not ended: permission refused (grant pg_signal_backend to responder's role)"
        if "done" not in answer:
            return "ended by itself"
        return "terminated" if answer["done"] else "not ended: the server could not signal it"

    def _set(self, paused: bool, reason: str) -> sql.Composed:
        """Its own transaction, for the flag must be durable before we wait for anybody."""
        return sql.SQL(
            "{within}; select responder.set_paused({name}, {paused}, {reason}) as recorded; commit"
        ).format(
            within=_within(), paused=sql.Literal(paused), reason=sql.Literal(reason), **self._parts
        )

    def _confirm(self) -> tuple[sql.Composed, sql.Composed]:
        """Wait for the writers in flight: they hold the lock shared until they end."""
        milliseconds = round(self._options.patience * 1000)
        lock = sql.SQL("select pg_advisory_xact_lock({lock_class}, {lock_key})")
        return _within(lock_milliseconds=milliseconds), lock.format(**self._parts)

    def _status(self) -> sql.Composed:
        """Three statements, in this order: a writer seen by none of them cannot commit.

        The flag first: once it is seen set, whoever may still commit holds the lock. The clock
        last, so that it is later than every commit that was waited for.
        """
        return sql.SQL(
            "select last_value = 1 as paused, (select last_value * is_called::int from {refused})"
            " as refused from {flag}; "
            "select (select coalesce(json_agg(holdout), '[]') from {holdouts} as holdout)"
            " as holdouts, array(select guarded from unnest(array[{tables}]) as guarded"
            " where not exists ({armed})) as unguarded; "
            "select clock_timestamp() as at; commit"
        ).format(
            holdouts=_HOLDOUTS.format(**self._parts),
            armed=_ARMED.format(**self._parts),
            tables=self._table_list,
            **self._parts,
        )

    def _reading(self, answer: Mapping[str, Any], lines: tuple[str, ...] | None = None) -> Reading:
        holdouts = answer["holdouts"] if answer["paused"] else []
        return Reading(
            state=self._state(answer),
            confirmed=not answer["unguarded"] and not holdouts,
            detail=self._detail(answer, len(holdouts)),
            at=answer["at"],
            holdouts=tuple(map(_line, holdouts)) if lines is None else lines,
            refused=answer["refused"],
        )

    def _state(self, answer: Mapping[str, Any]) -> SwitchState:
        if answer["unguarded"]:
            return SwitchState.UNKNOWN
        return SwitchState.PAUSED if answer["paused"] else SwitchState.RUNNING

    def _detail(self, answer: Mapping[str, Any], holdouts: int) -> str:
        if answer["unguarded"]:
            return (
                f"the guard on {', '.join(answer['unguarded'])} is missing or disabled, so "
                f"inserts pass whatever the switch says; {self._mend()}"
            )
        tables = ", ".join(self._options.guards)
        if not answer["paused"]:
            detail = f"{tables} takes inserts"
        elif holdouts:
            detail = (
                f"{tables} refuses new inserts, but {holdouts} transaction(s) that wrote "
                "before the pause are still open and may yet commit"
            )
        else:
            detail = f"{tables} refuses inserts, and no earlier transaction is open"
        if not answer.get("recorded", True):
            detail += "; the change could not be recorded in responder.changes"
        return detail

    def _mend(self) -> str:
        return f"run: responder switches install {self._name}"

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[Connection]:
        seconds = 2 * self._options.patience + NETWORK_SECONDS
        try:
            async with (
                asyncio.timeout(seconds),
                self._databases.connect(self._options.database, urgent=True) as connection,
            ):
                try:
                    yield connection
                except (errors.UndefinedTable, errors.UndefinedFunction, errors.InvalidSchemaName):
                    raise SwitchError(
                        f"switch {self._name} is not installed in database "
                        f"{self._options.database}; {self._mend()}"
                    ) from None
                except errors.InsufficientPrivilege as error:
                    raise SwitchError(
                        f"the role that responder signs in with may not use switch {self._name} "
                        f"({_first_line(error)}); sign in as the role that installed it"
                    ) from None
                except errors.QueryCanceled as error:
                    raise SwitchError(
                        f"database {self._options.database} took too long over switch "
                        f"{self._name} ({_first_line(error)}); try again, or look at its load"
                    ) from None
        except TimeoutError:
            raise SwitchError(
                f"database {self._options.database} did not answer within {seconds:g} s"
            ) from None
        except DatabaseError as error:
            raise SwitchError(str(error)) from error
        except psycopg.Error as error:
            raise SwitchError(
                f"database {self._options.database} refused: {_first_line(error)}"
            ) from error


def parts(name: str) -> dict[str, sql.Composable]:
    """The names and numbers by which the switch is known in the database.

    Raises:
        SwitchError: the name is too long for PostgreSQL's identifiers.
    """
    if len(name.encode()) > LONGEST_NAME:
        raise SwitchError(f"switch {name}: choose a name of at most {LONGEST_NAME} letters")
    lock_class, lock_key = sql.Literal(LOCK_CLASS), sql.Literal(zlib.crc32(name.encode()) >> 1)
    flag = sql.Identifier("responder", f"{name} flag")
    refused = sql.Identifier("responder", f"{name} refused")
    guard = sql.Identifier("responder", f"{name} guard")
    return {
        "name": sql.Literal(name),
        "lock_class": lock_class,
        "lock_key": lock_key,
        "flag": flag,
        "flag_name": sql.Literal(flag.as_string()),
        "refused": refused,
        "refused_name": sql.Literal(refused.as_string()),
        "guard": guard,
        "guard_name": sql.Literal(f"{guard.as_string()}()"),
        "trigger": sql.Identifier(f"{name} guard"),
        "holds": _HOLDS.format(lock_class=lock_class, lock_key=lock_key),
    }


# A writer's share of the lock. In pg_locks the two numbers stand in classid and objid.
_HOLDS = sql.SQL(
    "holder.locktype = 'advisory' and holder.granted and holder.mode = 'ShareLock'"
    " and holder.classid = {lock_class} and holder.objid = {lock_key} and holder.objsubid = 2"
    " and holder.database = (select oid from pg_database where datname = current_database())"
)

# A prepared transaction has no session: its name is found by the lock on its own number.
_HOLDOUTS = sql.SQL(
    "(select holder.pid, usename as role, application_name as app, state, query, gid,"
    " extract(epoch from clock_timestamp() - coalesce(xact_start, prepared)) as age"
    " from pg_locks as holder left join pg_stat_activity using (pid)"
    " left join pg_locks as own on holder.pid is null and own.pid is null"
    " and own.locktype = 'transactionid' and own.virtualtransaction = holder.virtualtransaction"
    " left join pg_prepared_xacts on transaction = own.transactionid"
    " where {holds})"
)

# tgtype: bit 0 is FOR EACH ROW, bit 1 BEFORE, bit 2 INSERT.
_ARMED = sql.SQL(
    "select from pg_trigger where tgrelid = to_regclass(guarded)"
    " and tgfoid = to_regprocedure({guard_name}) and tgtype & 7 = 6 and tgqual is null"
    " and tgenabled in ('O', 'A')"
)


def _within(lock_milliseconds: int = 500) -> sql.Composed:
    """Begin a transaction in which nothing waits for ever."""
    whole = round(STATEMENT_SECONDS * 1000) + lock_milliseconds
    return sql.SQL(
        "begin; set local lock_timeout = {lock}; set local statement_timeout = {whole}"
    ).format(lock=sql.Literal(lock_milliseconds), whole=sql.Literal(whole))


async def _run(connection: Connection, *statements: sql.Composable) -> dict[str, Any]:
    """Send everything in one message, which costs one round trip; every answer's first row."""
    cursor = await connection.execute(sql.SQL("; ").join(statements))
    answer: dict[str, Any] = {}
    while True:
        if cursor.description is not None:
            answer |= await cursor.fetchone() or {}
        if not cursor.nextset():
            return answer


def _line(holdout: Mapping[str, Any]) -> str:
    """One transaction in the way, for people to read."""
    age = "of unknown age" if holdout["age"] is None else f"open for {holdout['age']:.1f} s"
    if holdout["pid"] is None:
        return f"prepared transaction {holdout['gid']}, {age}"
    app = f", {holdout['app']}" if holdout["app"] else ""
    return (
        f"pid {holdout['pid']} ({holdout['role'] or 'role hidden'}{app}), "
        f"{holdout['state'] or 'state hidden'}, {age}: {_short(holdout['query'])}"
    )


def _short(query: str | None) -> str:
    """The query up to its first quoted value, for values may be personal data."""
    text = " ".join((query or "").split())
    kept = re.split(r"['$]", text, maxsplit=1)[0][:QUERY_SHOWN]
    return kept if kept == text else f"{kept}…"


def _first_line(error: psycopg.Error) -> str:
    return str(error).partition("\n")[0]

"""The switch in the app's database: installed once, seen through when broken, removed whole."""

from __future__ import annotations

import psycopg
import pytest

from responder.databases import Databases
from responder.switches import install
from responder.switches.base import Reach, SwitchError, SwitchState
from responder.switches.postgres import LONGEST_NAME, PostgresDriver, PostgresOptions
from tests.postgres.app import REFUSED, App
from tests.postgres.conftest import PLAYBOOKS, SWITCH

LEDGER = "public.credit_transactions"
GUARD = '"credit-transactions guard"'


def everything(app: App) -> list[list[tuple[object, ...]]]:
    """All that the installation made, as the catalog and the tables have it."""
    return [
        app.query(
            "select oid, relname, relkind from pg_class"
            " where relnamespace = 'responder'::regnamespace order by oid"
        ),
        app.query(
            "select oid, pg_get_functiondef(oid) from pg_proc"
            " where pronamespace = 'responder'::regnamespace order by oid"
        ),
        app.query("select tgname, tgrelid, tgenabled, tgtype from pg_trigger order by 1, 2"),
        app.query("table responder.switches"),
        app.query("table responder.changes"),
    ]


async def test_installing_twice_changes_nothing(
    app: App, databases: Databases, driver: PostgresDriver, options: PostgresOptions
) -> None:
    before = everything(app)
    await install.install(databases, SWITCH, options, PLAYBOOKS)
    assert everything(app) == before


async def test_installing_again_does_not_lift_a_pause(
    databases: Databases, driver: PostgresDriver, options: PostgresOptions
) -> None:
    await driver.pause(reason="r", key="k")
    await install.install(databases, SWITCH, options, PLAYBOOKS)
    assert (await driver.read()).state is SwitchState.PAUSED


async def test_the_plan_is_what_installing_runs(app: App, options: PostgresOptions) -> None:
    app.query(install.plan(SWITCH, options, PLAYBOOKS))
    assert app.query("select name, paused, reason from responder.switches") == [
        (SWITCH, False, "installed")
    ]


async def test_the_app_is_told_that_it_is_paused_and_by_what(
    app: App, driver: PostgresDriver
) -> None:
    user = app.user()
    await driver.pause(reason="r", key="k")
    with pytest.raises(psycopg.Error) as refused:
        app.add(user, 5)
    assert refused.value.sqlstate == REFUSED
    assert refused.value.diag.message_primary == f"paused by switch {SWITCH}"
    assert "Nothing was changed" in str(refused.value.diag.message_detail)
    assert "Try again later" in str(refused.value.diag.message_hint)
    assert app.query("select credits_balance from profiles") == [(0,)]


async def test_refusals_are_counted_though_their_transactions_roll_back(
    app: App, driver: PostgresDriver
) -> None:
    user = app.user()
    await driver.pause(reason="r", key="k")
    for _ in range(3):
        with pytest.raises(psycopg.Error, match="paused"):
            app.add(user, 5)
    assert (await driver.read()).refused == 3
    assert (await driver.resume(reason="r", key="k")).refused == 3
    app.add(user, 5)
    assert (await driver.read()).refused == 3


async def test_people_read_who_paused_it_and_why(app: App, driver: PostgresDriver) -> None:
    reason = "balances are wrong; it's 100 % {certain} \\ see #12"
    reading = await driver.pause(reason=reason, key="k")
    await driver.pause(reason=reason, key="k")
    columns = "name, paused, reason, changed_by, changed_at <= %s, refused"
    assert app.query(f"select {columns} from responder.switches", reading.at) == [
        (SWITCH, True, reason, "postgres (responder)", True, 0)
    ]
    history = app.query("select paused, reason from responder.changes order by id")
    assert history == [(False, "installed"), (True, reason)], "a repeat is no change"


async def test_people_can_pause_it_by_hand(app: App, driver: PostgresDriver) -> None:
    app.query("select responder.set_paused(%s, true, 'responder is down')", SWITCH)
    assert (await driver.read()).state is SwitchState.PAUSED


@pytest.mark.parametrize(
    "damage",
    [
        f"alter table {LEDGER} disable trigger {GUARD}",
        f"alter table {LEDGER} enable replica trigger {GUARD}",
        f"drop trigger {GUARD} on {LEDGER}",
    ],
)
async def test_without_its_guard_the_switch_is_unknown_until_it_is_installed_again(
    app: App,
    databases: Databases,
    driver: PostgresDriver,
    options: PostgresOptions,
    damage: str,
) -> None:
    app.query(damage)
    for reading in (await driver.read(), await driver.pause(reason="r", key="k")):
        assert (reading.state, reading.confirmed) == (SwitchState.UNKNOWN, False)
        assert LEDGER in reading.detail
        assert f"responder switches install {SWITCH}" in reading.detail
    await install.install(databases, SWITCH, options, PLAYBOOKS)
    reading = await driver.read()
    assert (reading.state, reading.confirmed) == (SwitchState.PAUSED, True)


async def test_a_guarded_table_that_is_not_installed_yet_makes_it_unknown(
    driver: PostgresDriver, reach: Reach
) -> None:
    options = PostgresOptions(database="app", guards=[LEDGER, "public.credit_milestones"])
    reading = await PostgresDriver(SWITCH, options, reach).read()
    assert reading.state is SwitchState.UNKNOWN
    assert "public.credit_milestones is missing" in reading.detail
    assert LEDGER not in reading.detail


async def test_every_guarded_table_is_refused(app: App, reach: Reach) -> None:
    options = PostgresOptions(database="app", guards=[LEDGER, "public.credit_milestones"])
    await install.install(reach.databases, SWITCH, options, PLAYBOOKS)
    user = app.user()
    await PostgresDriver(SWITCH, options, reach).pause(reason="r", key="k")
    for statement in (
        "insert into credit_milestones (user_id, milestone_type, credits_awarded)"
        " values (%s, 'm', 1)",
        "insert into credit_transactions (user_id, amount, balance_after, type)"
        " values (%s, 1, 1, 'earned_watching')",
    ):
        with pytest.raises(psycopg.Error, match="paused by switch"):
            app.query(statement, user)


async def test_a_role_with_no_rights_on_the_switch_is_let_through_and_refused_like_any(
    app: App, driver: PostgresDriver
) -> None:
    user = app.user()
    app.query("""
        do $$ begin create role app_role; exception when duplicate_object then end $$;
        grant insert on credit_transactions to app_role
    """)
    insert = f"""
        set role app_role;
        insert into credit_transactions (user_id, amount, balance_after, type)
        values ('{user}', 0, 0, 'admin_adjustment')
    """
    app.query(insert)
    assert len(app.ledger()) == 1
    await driver.pause(reason="r", key="k")
    with pytest.raises(psycopg.Error) as refused:
        app.query(insert)
    assert refused.value.sqlstate == REFUSED
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        app.query("set role app_role; select responder.set_paused('x', false, 'r')")


async def test_those_who_may_set_the_flag_can_mend_the_ledger_while_it_is_set(
    app: App, driver: PostgresDriver
) -> None:
    user = app.user()
    app.query("""
        do $$ begin create role app_login login; exception when duplicate_object then end $$
    """)
    await driver.pause(reason="r", key="k")
    mend = f"""
        set responder.mending = '{SWITCH}';
        select add_credits('{user}', 5, 'admin_adjustment')
    """
    with pytest.raises(psycopg.Error, match="paused by switch"):
        App(app.url.replace("postgres:@", "app_login:@")).query(mend)
    assert app.ledger() == set()
    with pytest.raises(psycopg.Error, match="paused by switch"):
        app.query(mend.replace(SWITCH, "another-switch"))
    app.query(mend)
    assert len(app.ledger()) == 1
    assert (await driver.read()).confirmed


async def test_a_session_that_skips_ordinary_triggers_is_refused_too(
    app: App, driver: PostgresDriver
) -> None:
    user = app.user()
    await driver.pause(reason="r", key="k")
    with pytest.raises(psycopg.Error, match="paused by switch"):
        app.query(f"set session_replication_role = replica; select add_credits('{user}', 1, 'x')")


async def test_uninstalling_leaves_nothing_behind(
    app: App, databases: Databases, driver: PostgresDriver, options: PostgresOptions
) -> None:
    await install.uninstall(databases, SWITCH, options, PLAYBOOKS)
    assert app.query("select from pg_namespace where nspname = 'responder'") == []
    assert app.query(f"select from pg_trigger where tgname = '{SWITCH} guard'") == []
    app.add(app.user(), 5)
    await install.uninstall(databases, SWITCH, options, PLAYBOOKS)  # and again: nothing to do
    with pytest.raises(SwitchError, match=f"responder switches install {SWITCH}"):
        await driver.read()


async def test_uninstalling_does_not_lift_a_pause(
    databases: Databases, driver: PostgresDriver, options: PostgresOptions
) -> None:
    await driver.pause(reason="r", key="k")
    with pytest.raises(SwitchError, match="is paused; Release it first"):
        await install.uninstall(databases, SWITCH, options, PLAYBOOKS)
    assert (await driver.read()).state is SwitchState.PAUSED


async def test_two_switches_know_nothing_of_each_other(
    app: App, reach: Reach, driver: PostgresDriver, options: PostgresOptions
) -> None:
    milestones = PostgresOptions(database="app", guards=["public.credit_milestones"])
    await install.install(reach.databases, "milestones", milestones, PLAYBOOKS)
    other = PostgresDriver("milestones", milestones, reach)
    await other.pause(reason="r", key="k")
    assert (await driver.read()).state is SwitchState.RUNNING
    app.add(app.user(), 5)
    await install.uninstall(reach.databases, SWITCH, options, PLAYBOOKS)
    assert (await other.read()).state is SwitchState.PAUSED


@pytest.mark.parametrize("call", ["pause", "resume", "read"])
async def test_a_switch_that_is_not_installed_names_the_command(
    reach: Reach, options: PostgresOptions, call: str
) -> None:
    driver = PostgresDriver(SWITCH, options, reach)
    arguments = {} if call == "read" else {"reason": "r", "key": "k"}
    with pytest.raises(SwitchError, match=f"responder switches install {SWITCH}"):
        await getattr(driver, call)(**arguments)


async def test_a_database_that_is_down_is_a_switch_error(options: PostgresOptions) -> None:
    databases = Databases({"app": None}, {"app": "APP_DATABASE_URL"})
    driver = PostgresDriver(SWITCH, options, Reach(databases, None))  # type: ignore[arg-type]
    with pytest.raises(SwitchError, match="set APP_DATABASE_URL"):
        await driver.pause(reason="r", key="k")


async def test_a_table_that_is_not_there_is_not_guarded(app: App, databases: Databases) -> None:
    options = PostgresOptions(database="app", guards=["public.no_such_table"])
    with pytest.raises(SwitchError, match="no_such_table"):
        await install.install(databases, SWITCH, options, PLAYBOOKS)
    assert app.query("select from pg_namespace where nspname = 'responder'") == []


def test_a_name_too_long_for_the_database_is_refused_before_it_is_cut(
    options: PostgresOptions,
) -> None:
    install.plan("x" * LONGEST_NAME, options, PLAYBOOKS)
    with pytest.raises(SwitchError, match="at most"):
        install.plan("x" * (LONGEST_NAME + 1), options, PLAYBOOKS)

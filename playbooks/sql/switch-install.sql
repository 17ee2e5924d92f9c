-- A switch that pauses every INSERT into the guarded tables, installed in the app's database.
--
-- `responder switches install NAME` fills this in, shows it, asks, and runs it. Running it
-- again changes nothing (a paused switch stays paused) and mends a guard that somebody
-- disabled. Needs PostgreSQL 14 or newer and the owner of the guarded tables.
--
-- Filled in, in curly brackets: name, lock_class and lock_key as literals; flag, refused and
-- guard as quoted names within schema responder, flag_name and refused_name as the same in
-- literals; trigger and table as quoted names. The part between the two markers near the
-- end is repeated for each guarded table.
--
-- How it holds (docs/decisions/0003-the-pause-flag-is-a-sequence.md says why):
--   * The flag is a sequence, 0 or 1. It is read as it is now, whatever the reader's
--     snapshot, and setting it waits for nobody.
--   * A writer reads the flag, takes a shared lock until its transaction ends, and reads the
--     flag again. Whoever sets the flag and then gets the lock exclusively knows that every
--     earlier writer has ended, and that every later one is refused.
--   * A writer never waits: where the lock can't be had at once, a pause is on its way.
--
-- By hand, with responder down:
--   select responder.set_paused('credit-transactions', true, 'why');
--   select * from responder.switches;
--
-- To mend the ledger while it is paused, as a role that may set the flag:
--   begin;
--   set local responder.mending = 'credit-transactions';
--   select add_credits(...);
--   commit;

begin;
set local lock_timeout = '3s';         -- a busy table fails this, and never stalls the app
set local statement_timeout = '10s';
set local client_min_messages = warning;

create schema if not exists responder;

-- Appended to and never updated, so that nobody's row lock can stand in the way of a pause.
create table if not exists responder.changes (
  id bigint generated always as identity primary key,
  switch text not null,
  paused boolean not null,
  reason text not null,
  changed_at timestamptz not null default clock_timestamp(),
  changed_by text not null default session_user || ' (' || current_setting('application_name') || ')'
);

create sequence if not exists {flag} as smallint minvalue 0 maxvalue 1 start 0;
create sequence if not exists {refused};

-- A sequence that was never set reads as null in pg_sequences. After a crash of the server
-- the count of refusals is only roughly right, for PostgreSQL does not log each step of it.
create or replace view responder.switches as
select distinct on (change.switch)
  change.switch as name,
  coalesce(flag.last_value, 0) = 1 as paused,
  change.reason,
  change.changed_at,
  change.changed_by,
  coalesce(refused.last_value, 0) as refused
from responder.changes as change
join pg_catalog.pg_sequences as flag
  on flag.schemaname = 'responder' and flag.sequencename = change.switch || ' flag'
join pg_catalog.pg_sequences as refused
  on refused.schemaname = 'responder' and refused.sequencename = change.switch || ' refused'
order by change.switch, change.id desc;

-- Sets the flag, which takes effect at once and is not undone by a rollback, and records it.
-- Returns whether the record could be written: the flag matters more.
create or replace function responder.set_paused(switch text, paused boolean, reason text)
returns boolean
language plpgsql
set search_path = pg_catalog, pg_temp
set lock_timeout = '250ms'
as $set$
begin
  if current_setting('synchronous_commit') = 'off' then
    perform set_config('synchronous_commit', 'on', true);
  end if;
  perform setval(format('responder.%I', switch || ' flag')::regclass, paused::int);
  begin
    insert into responder.changes (switch, paused, reason)
    select set_paused.switch, set_paused.paused, set_paused.reason
    where (set_paused.paused, set_paused.reason) is distinct from (
      select (change.paused, change.reason) from responder.changes as change
      where change.switch = set_paused.switch order by change.id desc limit 1
    );
  exception when others then
    raise warning 'switch % is set, but the change could not be recorded: %', switch, sqlerrm;
    return false;
  end;
  return true;
end
$set$;

-- SECURITY DEFINER, so that the app's roles need no rights on this schema. PT503 is what
-- PostgREST answers as HTTP 503; its older versions put the message in the status line.
create or replace function {guard}()
returns trigger
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $guard$
begin
  if (select last_value from {flag}) = 0 then
    if pg_try_advisory_xact_lock_shared({lock_class}, {lock_key}) then
      if (select last_value from {flag}) = 0 then
        return null;
      end if;
    end if;
  end if;
  if current_setting('responder.mending', true) = {name}
    and has_sequence_privilege(session_user, {flag_name}, 'update')
  then
    return null;
  end if;
  perform nextval({refused_name}::regclass);
  raise sqlstate 'PT503' using
    message = 'paused by switch ' || {name},
    detail = 'Nothing was changed: ' || tg_table_schema || '.' || tg_table_name
      || ' takes no new rows while switch ' || {name} || ' is paused.',
    hint = 'Try again later. Why it is paused: select * from responder.switches';
end
$guard$;

revoke all on schema responder from public;
revoke all on all tables in schema responder from public;
revoke all on all functions in schema responder from public;

insert into responder.changes (switch, paused, reason)
select {name}, false, 'installed'
where not exists (select from responder.changes where switch = {name});

-- For each guarded table:
create or replace trigger {trigger} before insert on {table}
  for each statement execute function {guard}();
alter table {table} enable always trigger {trigger};
-- End of each.

commit;

-- Takes a switch out of the app's database again, its guards on every table included.
-- Refuses while the switch is paused, since removing it would lift the pause. The record of
-- changes goes with the last switch.
--
-- Filled in, in curly brackets: as in switch-install.sql.

begin;
set local lock_timeout = '3s';
set local statement_timeout = '10s';
set local client_min_messages = warning;

do $check$
begin
  if to_regclass({flag_name}) is null then
    return;
  end if;
  if (select last_value from {flag}) <> 0 then
    raise object_in_use using
      message = 'switch ' || {name} || ' is paused',
      hint = 'Release it first: removing it now would lift the pause unseen.';
  end if;
end
$check$;

drop function if exists {guard}() cascade;  -- its triggers go with it
drop sequence if exists {flag}, {refused};

do $last$
begin
  if to_regnamespace('responder') is not null and not exists (
    select from pg_sequences where schemaname = 'responder' and sequencename like '% flag'
  ) then
    drop view if exists responder.switches;
    drop table if exists responder.changes;
    drop function if exists responder.set_paused(text, boolean, text);
    drop schema responder;
  end if;
end
$last$;

commit;

-- A row is a profile whose ledger, followed from balance to balance, does not end at its
-- balance today.
--
-- Each transaction leads from balance_after - amount to balance_after. So a user's ledger is
-- a chain from zero to the present balance, and every balance in between is entered as often
-- as it is left. This needs no order in time: created_at is when a transaction began, and the
-- one that began last need not have been the last to commit.
--
-- leads_to are balances that the ledger enters and does not leave, goes_on_from those that it
-- leaves and never entered. Look at the transactions on either side of them: one was lost, was
-- changed afterwards, or noted a wrong balance_after.
with steps as (
  select user_id, balance_after::bigint as balance, 1 as entered from public.credit_transactions
  union all
  select user_id, balance_after::bigint - amount, -1 from public.credit_transactions
  union all
  select id, 0, 1 from public.profiles
  union all
  select id, credits_balance, -1 from public.profiles
), loose_ends as (
  select user_id, balance, sum(entered) as entered
  from steps group by user_id, balance having sum(entered) <> 0
)
select
  profile.id as user_id,
  profile.username,
  profile.credits_balance as balance,
  array_agg(loose_ends.balance order by loose_ends.balance)
    filter (where loose_ends.entered > 0) as leads_to,
  array_agg(loose_ends.balance order by loose_ends.balance)
    filter (where loose_ends.entered < 0) as goes_on_from
from loose_ends
join public.profiles as profile on profile.id = loose_ends.user_id
group by profile.id
order by profile.id

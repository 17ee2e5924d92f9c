-- A row is a profile whose balance is not the sum of its ledger.
--
-- A positive difference: credits that no transaction explains. A negative one: transactions
-- that never reached the balance. Find out which side is right before you change either:
-- read the user's transactions from the first one that looks odd, and the app's log around it.
select
  profile.id as user_id,
  profile.username,
  profile.credits_balance as balance,
  coalesce(ledger.total, 0) as ledger_total,
  profile.credits_balance - coalesce(ledger.total, 0) as difference
from public.profiles as profile
left join (
  select user_id, sum(amount) as total from public.credit_transactions group by user_id
) as ledger on ledger.user_id = profile.id
where profile.credits_balance <> coalesce(ledger.total, 0)
order by abs(profile.credits_balance - coalesce(ledger.total, 0)) desc, profile.id

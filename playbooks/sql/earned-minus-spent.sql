-- A row is a profile whose lifetime totals do not explain its balance.
--
-- Compare with balance-equals-ledger: if that finds the same user, the balance is wrong; if it
-- does not, one of the two totals is, and they can be counted again from the ledger.
select
  id as user_id,
  username,
  credits_balance as balance,
  total_credits_earned as earned,
  total_credits_spent as spent,
  credits_balance::bigint - (total_credits_earned::bigint - total_credits_spent) as difference
from public.profiles
where credits_balance <> total_credits_earned::bigint - total_credits_spent
order by abs(credits_balance::bigint - (total_credits_earned::bigint - total_credits_spent)) desc, id

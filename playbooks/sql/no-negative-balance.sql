-- A row is a profile with less than nothing in its balance or its totals.
--
-- The table's own constraints should make this impossible: find out who dropped them, and put
-- them back once the users are mended.
select
  id as user_id,
  username,
  credits_balance as balance,
  total_credits_earned as earned,
  total_credits_spent as spent
from public.profiles
where least(credits_balance, total_credits_earned, total_credits_spent) < 0
order by credits_balance, id

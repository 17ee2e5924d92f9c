-- A row is a user with transactions of a type that this list does not know.
--
-- Either the app learned a new type (add it here, and see whether the other checks must know
-- of it), or something that is not the app writes to the ledger.
select
  user_id,
  type,
  count(*) as transactions,
  sum(amount) as credits,
  min(created_at) as first_at,
  max(created_at) as last_at
from public.credit_transactions
where type not in (
  'earned_watching', 'earned_hosting', 'earned_chatting', 'earned_helping',
  'bonus_milestone', 'bonus_completion', 'bonus_first_session', 'referral_bonus',
  'spent_feature', 'spent_tipping', 'spent_priority_join', 'spent_recording',
  'received_tip', 'admin_adjustment'
)
group by user_id, type
order by last_at desc

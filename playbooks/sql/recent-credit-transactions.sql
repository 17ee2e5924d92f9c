-- The credit transactions of the last hour, newest first, at most 50: for a person to review.
--
-- Look for amounts that are too large, one user or one session again and again, the same
-- award twice, and tips (counterpart names the other user) that went one way only.
select
  entry.created_at as at,
  entry.user_id,
  profile.username,
  entry.amount,
  entry.balance_after,
  entry.type,
  entry.source_session_id as session_id,
  coalesce(entry.metadata ->> 'recipientId', entry.metadata ->> 'fromUserId') as counterpart,
  entry.metadata ->> 'milestone' as milestone
from public.credit_transactions as entry
left join public.profiles as profile on profile.id = entry.user_id
where entry.created_at > now() - interval '1 hour'
order by entry.created_at desc, entry.id
limit 50

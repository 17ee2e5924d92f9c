-- A row is a tip that was taken from its sender and did not reach its recipient: one row for
-- each sender, recipient and amount with fewer tips received than sent.
--
-- The app moves a tip in two calls, so a failure (or a pause) between them loses the second.
-- Tips of the last minute are left out, for theirs may be on its way. Give the recipient what
-- is missing with add_credits and type received_tip, naming the sender as fromUserId. The head
-- of switch-install.sql says how that is let through while the switch is paused.
with sent as (
  select user_id::text as sender, metadata ->> 'recipientId' as recipient, -amount as amount,
    count(*) as tips, max(created_at) as latest
  from public.credit_transactions
  where type = 'spent_tipping' and created_at < now() - interval '1 minute'
  group by 1, 2, 3
), received as (
  select metadata ->> 'fromUserId' as sender, user_id::text as recipient, amount,
    count(*) as tips
  from public.credit_transactions
  where type = 'received_tip'
  group by 1, 2, 3
)
select
  sent.sender as user_id,
  sent.recipient as recipient_id,
  sent.amount,
  sent.tips as sent,
  coalesce(received.tips, 0) as received,
  sent.amount * (sent.tips - coalesce(received.tips, 0)) as missing,
  sent.latest as last_sent_at
from sent
left join received using (sender, recipient, amount)
where sent.tips > coalesce(received.tips, 0)
order by sent.latest desc

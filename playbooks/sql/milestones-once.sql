-- A row is a milestone that a user was awarded more than once: paid twice in the ledger, or
-- entered twice in credit_milestones.
--
-- Paid twice: take back what was too much with add_credits and type admin_adjustment, and put
-- null in place of the second entry's milestone in its metadata, keeping the entry. The head of
-- switch-install.sql says how that is let through while the switch is paused. Entered twice:
-- the unique constraint on credit_milestones is gone; remove the second and put it back.
select
  user_id,
  metadata ->> 'milestone' as milestone,
  'ledger' as awarded_in,
  count(*) as times,
  sum(amount) as credits,
  max(created_at) as last_at
from public.credit_transactions
where starts_with(type, 'bonus_') and metadata ->> 'milestone' is not null
group by user_id, metadata ->> 'milestone'
having count(*) > 1
union all
select user_id, milestone_type, 'credit_milestones', count(*), sum(credits_awarded), max(achieved_at)
from public.credit_milestones
group by user_id, milestone_type
having count(*) > 1
order by last_at desc

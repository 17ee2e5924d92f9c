-- A small app with credits, shaped like Kulti's: what the demo pauses and the tests write to.
-- Every movement of credits goes through add_credits, which changes a balance and the ledger
-- in one transaction.

create table public.profiles (
  id uuid primary key default gen_random_uuid(),
  username text not null unique,
  credits_balance integer not null default 0 check (credits_balance >= 0),
  total_credits_earned integer not null default 0 check (total_credits_earned >= 0),
  total_credits_spent integer not null default 0 check (total_credits_spent >= 0),
  credits_updated_at timestamptz not null default now()
);

create table public.credit_transactions (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.profiles (id) on delete cascade,
  amount integer not null,  -- above zero earned, below zero spent
  balance_after integer not null check (balance_after >= 0),
  type text not null constraint credit_transactions_type_check check (type in (
    'earned_watching', 'earned_hosting', 'earned_chatting', 'earned_helping',
    'bonus_milestone', 'bonus_completion', 'bonus_first_session', 'referral_bonus',
    'spent_feature', 'spent_tipping', 'spent_priority_join', 'spent_recording',
    'received_tip', 'admin_adjustment'
  )),
  source_session_id uuid,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now()
);
create index on public.credit_transactions (user_id);
create index on public.credit_transactions (created_at desc);

create table public.credit_milestones (
  id uuid primary key default gen_random_uuid(),
  user_id uuid not null references public.profiles (id) on delete cascade,
  milestone_type text not null,
  credits_awarded integer not null,
  achieved_at timestamptz not null default now(),
  constraint credit_milestones_once unique (user_id, milestone_type)
);

create function public.add_credits(
  p_user_id uuid,
  p_amount integer,
  p_type text,
  p_source_session_id uuid default null,
  p_metadata jsonb default '{}'
) returns jsonb
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
declare
  balance integer;
  entry uuid;
begin
  update public.profiles
  set credits_balance = credits_balance + p_amount,
      total_credits_earned = total_credits_earned + greatest(p_amount, 0),
      total_credits_spent = total_credits_spent + greatest(-p_amount, 0),
      credits_updated_at = now()
  where id = p_user_id
  returning credits_balance into balance;
  if not found then
    raise no_data_found using message = 'no profile ' || p_user_id;
  end if;

  insert into public.credit_transactions
    (user_id, amount, balance_after, type, source_session_id, metadata)
  values (p_user_id, p_amount, balance, p_type, p_source_session_id, p_metadata)
  returning id into entry;

  return jsonb_build_object(
    'success', true, 'transaction_id', entry, 'new_balance', balance, 'amount', p_amount
  );
end
$$;

-- Awards a milestone the first time it is reached. Returns whether this was it.
create function public.award_milestone(p_user_id uuid, p_milestone text, p_credits integer)
returns boolean
language plpgsql
security definer
set search_path = pg_catalog, pg_temp
as $$
begin
  insert into public.credit_milestones (user_id, milestone_type, credits_awarded)
  values (p_user_id, p_milestone, p_credits)
  on conflict do nothing;
  if not found then
    return false;
  end if;
  perform public.add_credits(
    p_user_id, p_credits, 'bonus_milestone', null, jsonb_build_object('milestone', p_milestone)
  );
  return true;
end
$$;

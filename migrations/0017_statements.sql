-- What vendors state of a day is kept line by line beside what the shop recorded, and every difference is somebody's until it is
-- closed with a reason (docs/decisions/0027).

-- room: payments
CREATE TABLE statement_days (                -- a day of an account whose statement is wanted, or has come
  gateway_id BIGINT NOT NULL REFERENCES gateways (gateway_id),
  day TEXT NOT NULL,                         -- 2026-11-01, as its vendor counts days
  begins_at BIGINT NOT NULL,
  ends_at BIGINT NOT NULL,
  status TEXT NOT NULL,                      -- waiting | stated | missing (given up)
  next_try_at BIGINT,                        -- when its vendor is asked (again); NULL: never
  give_up_at BIGINT NOT NULL,
  tries BIGINT NOT NULL DEFAULT 0,
  problem TEXT NOT NULL DEFAULT '',          -- why the last try brought nothing
  looked_back_at BIGINT,                     -- when what we recorded that day was held against what was stated; NULL: is to be
  PRIMARY KEY (gateway_id, day),
  CHECK (status IN ('waiting', 'stated', 'missing')),
  CHECK (status <> 'stated' OR next_try_at IS NULL)
);
CREATE INDEX statement_days_due ON statement_days (next_try_at) WHERE next_try_at IS NOT NULL;
CREATE INDEX statement_days_unlooked ON statement_days (ends_at) WHERE looked_back_at IS NULL AND status = 'stated';
CREATE TABLE statements (                    -- what was fetched or uploaded for a day of an account
  statement_id {pk},
  gateway_id BIGINT NOT NULL REFERENCES gateways (gateway_id),
  day TEXT NOT NULL,
  source TEXT NOT NULL,                      -- api | upload
  digest {bytes} NOT NULL,                   -- of its lines
  file_name TEXT NOT NULL DEFAULT '',
  lines BIGINT NOT NULL,
  left_out BIGINT NOT NULL DEFAULT 0,        -- rows of the file that are neither payment nor refund of the day
  status TEXT NOT NULL,                      -- coming | current | replaced (its lines are dropped)
  taken_by TEXT NOT NULL,
  taken_at BIGINT NOT NULL,
  CHECK (source IN ('api', 'upload')),
  CHECK (status IN ('coming', 'current', 'replaced'))
);
CREATE INDEX statements_day ON statements (gateway_id, day, statement_id);
CREATE UNIQUE INDEX statements_current ON statements (gateway_id, day) WHERE status = 'current';
CREATE TABLE statement_lines (               -- one payment or refund as its vendor states it, and what the shop knows of it
  line_id {pk},
  statement_id BIGINT NOT NULL REFERENCES statements (statement_id),
  number BIGINT NOT NULL,                    -- from 1, in the statement's order
  kind TEXT NOT NULL,                        -- payment | refund
  gateway_txn TEXT NOT NULL DEFAULT '',
  attempt_no TEXT NOT NULL DEFAULT '',
  refund_no TEXT NOT NULL DEFAULT '',
  gateway_refund TEXT NOT NULL DEFAULT '',
  amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
  currency TEXT NOT NULL,
  fee_minor BIGINT NOT NULL DEFAULT 0,
  happened_at BIGINT NOT NULL,
  reference TEXT NOT NULL DEFAULT '',        -- what the payer wrote, in a bank's statement
  verdict TEXT NOT NULL DEFAULT '',          -- payments.statements.rules.VERDICTS; '' until it is judged
  receipt_id BIGINT,
  refund_id BIGINT,
  attempt_id BIGINT,                         -- whose payment it is, or may be
  CHECK (kind IN ('payment', 'refund'))
);
CREATE UNIQUE INDEX statement_lines_of ON statement_lines (statement_id, number);
CREATE INDEX statement_lines_verdict ON statement_lines (statement_id, verdict, line_id);
CREATE INDEX statement_lines_receipt ON statement_lines (receipt_id) WHERE receipt_id IS NOT NULL;
CREATE INDEX statement_lines_refund ON statement_lines (refund_id) WHERE refund_id IS NOT NULL;
CREATE TABLE differences (                   -- where a vendor's statement and the shop's own record do not agree
  difference_id {pk},
  gateway_id BIGINT NOT NULL REFERENCES gateways (gateway_id),
  day TEXT NOT NULL,
  kind TEXT NOT NULL,                        -- payments.statements.rules.DIFFERENCES
  subject TEXT NOT NULL,                     -- what it is about: payment/<txn>, refund/<number>, receipt/<id>, …
  order_id BIGINT,
  attempt_id BIGINT,                         -- whose payment it may be
  receipt_id BIGINT,
  refund_id BIGINT,
  ours_minor BIGINT,
  ours_currency TEXT NOT NULL DEFAULT '',
  theirs_minor BIGINT,
  theirs_currency TEXT NOT NULL DEFAULT '',
  detail TEXT NOT NULL DEFAULT '{}',         -- JSON
  seen_in BIGINT,                            -- the statement that shows it, and its line there
  line_id BIGINT,
  opened_at BIGINT NOT NULL,
  closed_at BIGINT,
  closed_by TEXT,
  reason TEXT,
  owner TEXT NOT NULL DEFAULT '',            -- who has taken it on: an actor, such as staff:3
  CHECK ((closed_at IS NULL) = (reason IS NULL)),
  CHECK ((closed_at IS NULL) = (closed_by IS NULL))
);
CREATE UNIQUE INDEX differences_open ON differences (gateway_id, kind, subject) WHERE closed_at IS NULL;
CREATE INDEX differences_subject ON differences (gateway_id, kind, subject);
CREATE INDEX differences_day ON differences (gateway_id, day, difference_id);
CREATE INDEX differences_order ON differences (order_id) WHERE order_id IS NOT NULL;
CREATE INDEX receipts_day ON receipts (gateway_id, received_at);
CREATE INDEX refunds_day ON refunds (gateway_id, ended_at);

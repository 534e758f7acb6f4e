-- What a gateway is asked for and what it pays of its order are two amounts: a fee, another currency or the odd cents that
-- tell one transfer from another stand between them (docs/decisions/0019).

-- room: payments
-- JSON: who may pay by it, its limits, fee and currency
ALTER TABLE gateways ADD COLUMN rules TEXT NOT NULL DEFAULT '{}';
-- what it pays of its order, in the order's currency
ALTER TABLE attempts ADD COLUMN due_minor BIGINT NOT NULL DEFAULT 0;
-- what the buyer is asked besides, in the order's currency
ALTER TABLE attempts ADD COLUMN fee_minor BIGINT NOT NULL DEFAULT 0;
-- so much less than asked is enough
ALTER TABLE attempts ADD COLUMN tolerance_minor BIGINT NOT NULL DEFAULT 0;
-- what has to be sent to the last digit, if not the amount
ALTER TABLE attempts ADD COLUMN coin TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN coin_amount TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN vendor_expires_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE attempts ADD COLUMN device TEXT NOT NULL DEFAULT '';
-- when to tell the gateway that it is closed; NULL: never
ALTER TABLE attempts ADD COLUMN next_close_at BIGINT;
UPDATE attempts SET due_minor = amount_minor;
CREATE INDEX attempts_close ON attempts (next_close_at) WHERE next_close_at IS NOT NULL;
CREATE TABLE odd_amounts (                   -- amounts of transfers that are told apart by their cents, kept from others until
  gateway_id BIGINT NOT NULL REFERENCES gateways (gateway_id),
  currency TEXT NOT NULL,
  amount_minor BIGINT NOT NULL,
  attempt_no TEXT NOT NULL,
  until BIGINT NOT NULL,
  PRIMARY KEY (gateway_id, currency, amount_minor)
);
-- only: sqlite
DROP TRIGGER receipts_never_updated;
-- only: postgres
DROP TRIGGER receipts_never_changed ON receipts;
-- what it pays of its order, in the order's currency
ALTER TABLE receipts ADD COLUMN counted_minor BIGINT NOT NULL DEFAULT 0;
ALTER TABLE receipts ADD COLUMN coin TEXT NOT NULL DEFAULT '';
ALTER TABLE receipts ADD COLUMN coin_amount TEXT NOT NULL DEFAULT '';
UPDATE receipts SET counted_minor = amount_minor * is_counted;
ALTER TABLE receipts DROP COLUMN is_counted;
-- only: sqlite
CREATE TRIGGER receipts_never_updated BEFORE UPDATE ON receipts
BEGIN SELECT RAISE(ABORT, 'receipts are never changed'); END;
-- only: postgres
CREATE TRIGGER receipts_never_changed BEFORE UPDATE OR DELETE ON receipts
FOR EACH ROW EXECUTE FUNCTION receipts_never_changed();
CREATE TABLE refunds (                       -- money that goes back; written down before its gateway hears of it
  refund_id {pk},
  refund_no TEXT NOT NULL UNIQUE,            -- the gateway's idempotency number; for one made elsewhere a number of ours all the same
  order_id BIGINT NOT NULL REFERENCES orders (order_id),
  receipt_id BIGINT NOT NULL REFERENCES receipts (receipt_id),
  gateway_id BIGINT NOT NULL REFERENCES gateways (gateway_id),
  way TEXT NOT NULL,                         -- gateway | recorded (by hand, outside) | elsewhere (found at the gateway)
  status TEXT NOT NULL,                      -- open: asked or about to be | done | failed
  amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),    -- in the receipt's currency
  currency TEXT NOT NULL,
  counted_minor BIGINT NOT NULL CHECK (counted_minor >= 0), -- its share of what the receipt pays, in the order's currency
  gateway_refund TEXT NOT NULL DEFAULT '',
  reason TEXT NOT NULL,
  reference TEXT NOT NULL DEFAULT '',        -- of a recorded one: how the money went back
  claim_url TEXT NOT NULL DEFAULT '',
  problem TEXT NOT NULL DEFAULT '',
  asked_by TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  next_try_at BIGINT,                        -- when its gateway is asked (again); NULL: never
  tries BIGINT NOT NULL DEFAULT 0,
  ended_at BIGINT,
  CHECK (way IN ('gateway', 'recorded', 'elsewhere')),
  CHECK (status IN ('open', 'done', 'failed')),
  CHECK ((status = 'open') = (ended_at IS NULL))
);
CREATE INDEX refunds_order ON refunds (order_id);
CREATE INDEX refunds_receipt ON refunds (receipt_id);
CREATE INDEX refunds_due ON refunds (next_try_at) WHERE next_try_at IS NOT NULL;
CREATE UNIQUE INDEX refunds_vendor ON refunds (gateway_id, gateway_refund) WHERE gateway_refund <> '';

-- room: orders
-- the sum of its refunds that are done, as counted
ALTER TABLE orders ADD COLUMN refunded_minor BIGINT NOT NULL DEFAULT 0;
-- only: sqlite
CREATE TABLE order_exceptions_new (
  exception_id {pk},
  order_id BIGINT NOT NULL REFERENCES orders (order_id),
  kind TEXT NOT NULL,                        -- orders.rules.EXCEPTIONS
  detail TEXT NOT NULL DEFAULT '{}',         -- JSON
  opened_at BIGINT NOT NULL,
  closed_at BIGINT,
  closed_by TEXT,
  reason TEXT,
  CHECK ((closed_at IS NULL) = (reason IS NULL))
);
-- only: sqlite
INSERT INTO order_exceptions_new (exception_id, order_id, kind, detail, opened_at, closed_at, closed_by, reason)
SELECT exception_id, order_id, kind, detail, opened_at, closed_at, closed_by, reason FROM order_exceptions;
-- only: sqlite
DROP TABLE order_exceptions;
-- only: sqlite
ALTER TABLE order_exceptions_new RENAME TO order_exceptions;
-- only: sqlite
CREATE INDEX order_exceptions_order ON order_exceptions (order_id);
-- only: sqlite
CREATE INDEX order_exceptions_open ON order_exceptions (opened_at) WHERE closed_at IS NULL;
-- only: postgres
ALTER TABLE order_exceptions DROP CONSTRAINT order_exceptions_kind_check;
-- who has taken it on: an actor, such as staff/3
ALTER TABLE order_exceptions ADD COLUMN owner TEXT NOT NULL DEFAULT '';
CREATE TABLE order_exception_notes (         -- what staff wrote down while they settled it
  note_id {pk},
  exception_id BIGINT NOT NULL REFERENCES order_exceptions (exception_id),
  text TEXT NOT NULL,
  written_by TEXT NOT NULL,
  written_at BIGINT NOT NULL
);
CREATE INDEX order_exception_notes_of ON order_exception_notes (exception_id);

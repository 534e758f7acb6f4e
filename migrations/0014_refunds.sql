-- Money that goes back: what a second person approved, what a gateway told of before the payment itself, and how often a
-- gateway was told that an attempt is closed (docs/decisions/0024).

-- room: payments
-- the request that a second person approved; NULL: nobody had to
ALTER TABLE refunds ADD COLUMN approval_id BIGINT;
CREATE INDEX refunds_asked ON refunds (asked_by, created_at);
-- how often its gateway was told that it is closed
ALTER TABLE attempts ADD COLUMN closes BIGINT NOT NULL DEFAULT 0;
CREATE TABLE refunds_ahead (                 -- refunds made elsewhere that were told of before their payment was
  attempt_id BIGINT NOT NULL REFERENCES attempts (attempt_id),
  gateway_refund TEXT NOT NULL,              -- empty when the vendor gives it no number
  amount_minor BIGINT NOT NULL,              -- 0: all of it, as far as we know
  heard_at BIGINT NOT NULL,
  PRIMARY KEY (attempt_id, gateway_refund)
);

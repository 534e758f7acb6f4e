-- The exceptions desk, evidence for what is confirmed by hand, and callbacks that are judged again.

-- room: orders
CREATE INDEX order_exceptions_kind ON order_exceptions (kind, opened_at) WHERE closed_at IS NULL;

-- room: payments
CREATE TABLE evidence (                      -- what shows that a payment arrived that no gateway told of
  evidence_id {pk},
  order_id BIGINT NOT NULL REFERENCES orders (order_id),
  name TEXT NOT NULL UNIQUE,                 -- of its file in uploads/evidence, made by us
  content_type TEXT NOT NULL,                -- image/webp (drawn anew by us) | application/pdf
  size BIGINT NOT NULL CHECK (size > 0),
  digest TEXT NOT NULL,                      -- SHA-256 of the file as it is kept
  added_by TEXT NOT NULL,
  added_at BIGINT NOT NULL
);
CREATE INDEX evidence_order ON evidence (order_id);
CREATE INDEX callbacks_gateway ON callbacks (gateway_name, callback_id);

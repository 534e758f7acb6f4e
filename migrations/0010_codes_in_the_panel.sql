-- Codes are looked at, noted, exported; what one person may not do alone waits for a second.

-- room: inventory
ALTER TABLE codes ADD COLUMN note TEXT NOT NULL DEFAULT '';
DROP INDEX IF EXISTS codes_batch;
CREATE INDEX codes_of_batch ON codes (batch_id, status, code_id, pool_id, expires_on);
CREATE INDEX codes_of_sku ON codes (sku_id, status, code_id, pool_id, expires_on);

-- room: approvals
CREATE TABLE approvals (                     -- what somebody asked for that needs a second person
  approval_id {pk},
  kind TEXT NOT NULL,                        -- codes.export | codes.reveal: approvals/rules.py says who may ask and who may approve
  status TEXT NOT NULL,                      -- waiting | approved | refused | used; past expires_at it is over, whatever stands here
  items {bytes} NOT NULL,                    -- exactly what: the ids, eight bytes each
  count BIGINT NOT NULL,
  value_minor BIGINT NOT NULL,
  facts TEXT NOT NULL,                       -- JSON: how it is to be done, and what the person who decides has to know
  reason TEXT NOT NULL,
  asked_by TEXT NOT NULL,
  asked_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  decided_by TEXT,
  decided_at BIGINT,
  note TEXT NOT NULL DEFAULT '',
  used_at BIGINT,
  CHECK (status IN ('waiting', 'approved', 'refused', 'used')),
  CHECK ((status = 'waiting') = (decided_at IS NULL)),
  CHECK ((status = 'used') = (used_at IS NOT NULL))
);
CREATE INDEX approvals_waiting ON approvals (expires_at) WHERE status = 'waiting';

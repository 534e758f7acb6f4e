-- How many unpaid orders one address, contact or browser holds, counted where they are placed; and proofs of work, each good once.

-- room: orders
-- whose address placed it, and his browser: keyed digests, 0 is not counted; and the codes that it holds while it is unpaid
ALTER TABLE orders ADD COLUMN client BIGINT NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN browser BIGINT NOT NULL DEFAULT 0;
ALTER TABLE orders ADD COLUMN units BIGINT NOT NULL DEFAULT 0;
CREATE INDEX orders_unpaid_client ON orders (client, units) WHERE status = 'pending';
CREATE INDEX orders_unpaid_contact ON orders (contact, units) WHERE status = 'pending';
CREATE INDEX orders_unpaid_browser ON orders (browser, units) WHERE status = 'pending' AND browser <> 0;

-- room: risk
CREATE TABLE spent_proofs (                  -- a proof that placed an order, until it would have lapsed by itself
  proof_hash {bytes} PRIMARY KEY,
  until BIGINT NOT NULL
);
CREATE INDEX spent_proofs_due ON spent_proofs (until);

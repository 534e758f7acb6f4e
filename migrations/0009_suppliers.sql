-- Suppliers, the keys they sign with, the keys that open what they send, and the sealed batches themselves.

-- room: supply
CREATE TABLE import_keys (                   -- the newest that is not retired seals new batches; older ones open what is on its way
  import_key_id {pk},
  name TEXT NOT NULL UNIQUE,                 -- the fingerprint of the public half: what a manifest calls the key
  public_key {bytes} NOT NULL,
  sealed {bytes},                            -- the private half, sealed in the vault; NULL: dropped
  created_at BIGINT NOT NULL,
  retired_at BIGINT
);
CREATE TABLE suppliers (
  supplier_id {pk},
  ref TEXT NOT NULL UNIQUE,                  -- random: what a manifest calls him
  name TEXT NOT NULL UNIQUE,
  is_trusted BIGINT NOT NULL DEFAULT 0,      -- 1: his batches go on the shelf by themselves
  is_disabled BIGINT NOT NULL DEFAULT 0,
  join_hash {bytes},                         -- of the one-time link by which his browser registers its key
  join_until BIGINT NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL
);
CREATE INDEX suppliers_join ON suppliers (join_hash) WHERE join_hash IS NOT NULL;
CREATE TABLE supplier_products (             -- what he may bring
  supplier_id BIGINT NOT NULL REFERENCES suppliers (supplier_id),
  product_id BIGINT NOT NULL REFERENCES products (product_id),
  PRIMARY KEY (supplier_id, product_id)
);
CREATE TABLE supplier_keys (                 -- public halves only
  supplier_key_id {pk},
  supplier_id BIGINT NOT NULL REFERENCES suppliers (supplier_id),
  public_key {bytes} NOT NULL UNIQUE,
  status TEXT NOT NULL,
  offered_at BIGINT NOT NULL,
  changed_at BIGINT NOT NULL,
  CHECK (status IN ('offered', 'confirmed', 'retired', 'rejected'))
);
CREATE UNIQUE INDEX supplier_keys_confirmed ON supplier_keys (supplier_id) WHERE status = 'confirmed';
CREATE UNIQUE INDEX supplier_keys_offered ON supplier_keys (supplier_id) WHERE status = 'offered';
CREATE TABLE sealed_batches (                -- as they came: ciphertext, until the shop has opened them
  sealed_batch_id {pk},
  supplier_id BIGINT NOT NULL REFERENCES suppliers (supplier_id),
  batch_no TEXT NOT NULL,                    -- the supplier's random number: never taken twice
  supplier_key_id BIGINT NOT NULL REFERENCES supplier_keys (supplier_key_id),
  import_key_id BIGINT NOT NULL REFERENCES import_keys (import_key_id),
  product_id BIGINT NOT NULL REFERENCES products (product_id),
  sku_id BIGINT NOT NULL REFERENCES skus (sku_id),
  count BIGINT NOT NULL,                     -- rows, as the manifest says
  size BIGINT NOT NULL,
  manifest {bytes} NOT NULL,
  signature {bytes} NOT NULL,
  body {bytes},                              -- NULL: opened or refused, and no longer kept
  status TEXT NOT NULL,
  reason TEXT NOT NULL DEFAULT '',
  received_at BIGINT NOT NULL,
  next_try_at BIGINT NOT NULL,
  tries BIGINT NOT NULL DEFAULT 0,
  ended_at BIGINT,
  batch_id BIGINT,                           -- the stock's batch that it became
  added BIGINT NOT NULL DEFAULT 0,
  duplicates BIGINT NOT NULL DEFAULT 0,
  bad BIGINT NOT NULL DEFAULT 0,
  UNIQUE (supplier_id, batch_no),
  CHECK (status IN ('held', 'waiting', 'done', 'refused')),
  CHECK ((status IN ('done', 'refused')) = (body IS NULL))
);
CREATE INDEX sealed_batches_due ON sealed_batches (next_try_at) WHERE status = 'waiting';
CREATE INDEX sealed_batches_open ON sealed_batches (supplier_id) WHERE status IN ('held', 'waiting');
CREATE INDEX sealed_batches_supplier ON sealed_batches (supplier_id, sealed_batch_id);
CREATE INDEX sealed_batches_key ON sealed_batches (import_key_id) WHERE status IN ('held', 'waiting');

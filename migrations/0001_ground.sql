-- The ground: every table of the first shop. Each stands under the room that alone changes it.
-- Times are milliseconds UTC, money is minor units, flags are 0 or 1. {pk} and {bytes} are the engine's words (db/dialect.py).

-- room: settings
CREATE TABLE settings (
  name TEXT PRIMARY KEY,
  value TEXT NOT NULL,                       -- JSON
  updated_at BIGINT NOT NULL,
  updated_by TEXT NOT NULL
);
CREATE TABLE plugin_data (                   -- each plugin's own small memory
  plugin TEXT NOT NULL,
  name TEXT NOT NULL,
  value TEXT NOT NULL,
  updated_at BIGINT NOT NULL,
  PRIMARY KEY (plugin, name)
);

-- room: audit
CREATE TABLE events (                        -- one river: every change, hash-chained, never edited
  seq BIGINT PRIMARY KEY,                    -- gapless
  at BIGINT NOT NULL,
  name TEXT NOT NULL,                        -- noun.past
  actor_kind TEXT NOT NULL,
  actor_ref TEXT NOT NULL,
  session TEXT NOT NULL,
  request_id TEXT NOT NULL,
  object_kind TEXT NOT NULL,
  object_id BIGINT NOT NULL,
  personal_id BIGINT,                        -- the values behind `personal_hash`, kept apart so that they can be erased
  personal_hash {bytes},
  reason TEXT NOT NULL,
  payload TEXT NOT NULL,                     -- JSON, references only: never a code, a key or a password
  prev_hash {bytes} NOT NULL,
  hash {bytes} NOT NULL
);
CREATE INDEX events_object ON events (object_kind, object_id, seq);
CREATE INDEX events_name ON events (name, seq);
-- only: sqlite
CREATE TRIGGER events_never_updated BEFORE UPDATE ON events
BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
-- only: sqlite
CREATE TRIGGER events_never_deleted BEFORE DELETE ON events
BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
-- only: postgres
CREATE FUNCTION events_never_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'events are never changed'; END $$;
-- only: postgres
CREATE TRIGGER events_never_changed BEFORE UPDATE OR DELETE ON events
FOR EACH ROW EXECUTE FUNCTION events_never_changed();
CREATE TABLE event_personal (
  personal_id {pk},
  salt {bytes} NOT NULL,
  value TEXT NOT NULL                        -- JSON
);

-- room: vault
CREATE TABLE vault_roots (                   -- one row per way to unseal: the same root key, wrapped
  root_id {pk},
  method TEXT NOT NULL,
  params TEXT NOT NULL,                      -- JSON
  wrapped {bytes} NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE TABLE vault_keys (                    -- data keys, one per product and epoch, wrapped
  product_id BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  wrapped {bytes} NOT NULL,
  created_at BIGINT NOT NULL,
  PRIMARY KEY (product_id, epoch)
);

-- room: accounts
CREATE TABLE staff (
  staff_id {pk},
  email TEXT NOT NULL UNIQUE,
  password_hash TEXT NOT NULL,
  role TEXT NOT NULL,
  is_disabled BIGINT NOT NULL DEFAULT 0,
  failed_logins BIGINT NOT NULL DEFAULT 0,
  locked_until BIGINT NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL,
  seen_at BIGINT
);
CREATE TABLE sessions (
  session_hash {bytes} PRIMARY KEY,
  staff_id BIGINT NOT NULL REFERENCES staff (staff_id),
  csrf_token TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  ip TEXT NOT NULL,
  user_agent TEXT NOT NULL
);
CREATE INDEX sessions_staff ON sessions (staff_id);
CREATE INDEX sessions_due ON sessions (expires_at);
CREATE TABLE login_links (                   -- one-time log-in, shown on the terminal
  link_hash {bytes} PRIMARY KEY,
  staff_id BIGINT NOT NULL REFERENCES staff (staff_id),
  expires_at BIGINT NOT NULL,
  used_at BIGINT
);

-- room: catalog
CREATE TABLE categories (
  category_id {pk},
  parent_id BIGINT REFERENCES categories (category_id),
  slug TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  position BIGINT NOT NULL DEFAULT 0,
  is_hidden BIGINT NOT NULL DEFAULT 0
);
CREATE TABLE products (
  product_id {pk},
  category_id BIGINT REFERENCES categories (category_id),
  slug TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL,
  summary TEXT NOT NULL DEFAULT '',
  description TEXT NOT NULL DEFAULT '',      -- Markdown
  instructions TEXT NOT NULL DEFAULT '',     -- Markdown, shown after delivery
  image TEXT NOT NULL DEFAULT '',            -- file name under uploads/
  delivery TEXT NOT NULL,                    -- auto | manual
  contact_type TEXT NOT NULL DEFAULT 'any',  -- email | phone | qq | any | none
  lookup_password TEXT NOT NULL DEFAULT 'optional',  -- optional | required
  fields TEXT NOT NULL DEFAULT '[]',         -- JSON: the buyer fields
  stock_display TEXT NOT NULL DEFAULT 'exact',  -- exact | level | hidden
  hold_minutes BIGINT NOT NULL DEFAULT 15,
  position BIGINT NOT NULL DEFAULT 0,
  is_hidden BIGINT NOT NULL DEFAULT 0,
  version BIGINT NOT NULL DEFAULT 1,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX products_list ON products (is_hidden, position, product_id);
CREATE INDEX products_category ON products (category_id, is_hidden, position, product_id);
CREATE TABLE skus (
  sku_id {pk},
  product_id BIGINT NOT NULL REFERENCES products (product_id),
  sku_code TEXT NOT NULL UNIQUE,             -- the API's name for it
  name TEXT NOT NULL,
  price_minor BIGINT NOT NULL,
  cost_minor BIGINT NOT NULL DEFAULT 0,
  is_free BIGINT NOT NULL DEFAULT 0,         -- a price of 0 needs this flag
  min_quantity BIGINT NOT NULL DEFAULT 1,
  max_quantity BIGINT NOT NULL DEFAULT 100,
  low_stock_line BIGINT NOT NULL DEFAULT 0,
  position BIGINT NOT NULL DEFAULT 0,
  is_hidden BIGINT NOT NULL DEFAULT 0
);
CREATE INDEX skus_product ON skus (product_id, position, sku_id);
CREATE TABLE price_tiers (
  sku_id BIGINT NOT NULL REFERENCES skus (sku_id),
  min_quantity BIGINT NOT NULL,
  price_minor BIGINT NOT NULL,
  PRIMARY KEY (sku_id, min_quantity)
);

-- room: inventory
CREATE TABLE pools (
  pool_id {pk},
  slug TEXT NOT NULL UNIQUE,
  name TEXT NOT NULL
);
INSERT INTO pools (slug, name) VALUES ('default', 'Default');
CREATE TABLE pool_channels (                 -- which pool a channel sells from; a channel without a row sells from `default`
  channel TEXT PRIMARY KEY,
  pool_id BIGINT NOT NULL REFERENCES pools (pool_id)
);
CREATE TABLE batches (
  batch_id {pk},
  product_id BIGINT NOT NULL REFERENCES products (product_id),
  sku_id BIGINT NOT NULL REFERENCES skus (sku_id),
  pool_id BIGINT NOT NULL REFERENCES pools (pool_id),
  kind TEXT NOT NULL,                        -- import | manual
  name TEXT NOT NULL,
  source TEXT NOT NULL DEFAULT '',           -- the file's name
  source_digest {bytes},                     -- BLAKE2b of the file
  supplier TEXT NOT NULL DEFAULT '',
  note TEXT NOT NULL DEFAULT '',
  cost_minor BIGINT NOT NULL DEFAULT 0,
  expires_on TEXT NOT NULL DEFAULT '',
  status TEXT NOT NULL,                      -- importing | done
  imported BIGINT NOT NULL DEFAULT 0,
  duplicates BIGINT NOT NULL DEFAULT 0,
  bad BIGINT NOT NULL DEFAULT 0,
  created_by TEXT NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE INDEX batches_product ON batches (product_id, batch_id);
CREATE TABLE codes (                         -- the vault's content: sealed, each bound to its own row
  code_id BIGINT PRIMARY KEY,                -- a snowflake, inside the seal's associated data
  product_id BIGINT NOT NULL,
  sku_id BIGINT NOT NULL REFERENCES skus (sku_id),
  pool_id BIGINT NOT NULL REFERENCES pools (pool_id),
  batch_id BIGINT NOT NULL REFERENCES batches (batch_id),
  epoch BIGINT NOT NULL,
  sealed {bytes} NOT NULL,
  fingerprint {bytes} NOT NULL UNIQUE,
  status TEXT NOT NULL,                      -- free | held | sold | void
  line_id BIGINT,                            -- the order line that holds or owns it
  held_until BIGINT,
  cost_minor BIGINT NOT NULL DEFAULT 0,
  expires_on TEXT NOT NULL DEFAULT '',
  changed_at BIGINT NOT NULL,
  replaces_code_id BIGINT,                   -- a reissue is a new row linked to the old
  CHECK (status IN ('free', 'held', 'sold', 'void')),
  CHECK ((status = 'free') = (line_id IS NULL) OR status = 'void'),
  CHECK ((status = 'held') = (held_until IS NOT NULL))
);
CREATE INDEX codes_free ON codes (sku_id, pool_id, code_id) WHERE status = 'free';
CREATE INDEX codes_line ON codes (line_id) WHERE line_id IS NOT NULL;
CREATE INDEX codes_batch ON codes (batch_id, status);
CREATE TABLE stock_counts (                  -- kept in the same transaction as the codes they count
  sku_id BIGINT NOT NULL REFERENCES skus (sku_id),
  pool_id BIGINT NOT NULL REFERENCES pools (pool_id),
  free BIGINT NOT NULL DEFAULT 0 CHECK (free >= 0),
  held BIGINT NOT NULL DEFAULT 0 CHECK (held >= 0),
  sold BIGINT NOT NULL DEFAULT 0 CHECK (sold >= 0),
  void BIGINT NOT NULL DEFAULT 0 CHECK (void >= 0),
  PRIMARY KEY (sku_id, pool_id)
);

-- room: orders
CREATE TABLE orders (
  order_id {pk},
  order_no TEXT NOT NULL UNIQUE,
  token_hash {bytes} NOT NULL,
  channel TEXT NOT NULL,
  pool_id BIGINT NOT NULL,                   -- decided by the channel when the order is placed
  status TEXT NOT NULL,
  contact_type TEXT NOT NULL,
  contact TEXT NOT NULL,
  lookup_hash TEXT,                          -- argon2id of the look-up password
  currency TEXT NOT NULL,
  total_minor BIGINT NOT NULL CHECK (total_minor >= 0),
  paid_minor BIGINT NOT NULL DEFAULT 0,      -- the sum of its receipts
  locale TEXT NOT NULL DEFAULT '',
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  paid_at BIGINT,
  delivered_at BIGINT,
  ended_at BIGINT,
  note TEXT NOT NULL DEFAULT '',
  CHECK (status IN ('pending', 'paid', 'delivering', 'delivered', 'expired', 'cancelled', 'refunded'))
);
CREATE INDEX orders_due ON orders (expires_at) WHERE status = 'pending';
CREATE INDEX orders_undelivered ON orders (paid_at) WHERE status IN ('paid', 'delivering');
CREATE INDEX orders_status ON orders (status, order_id);
CREATE INDEX orders_contact ON orders (contact, order_id);
CREATE TABLE order_lines (
  line_id {pk},
  order_id BIGINT NOT NULL REFERENCES orders (order_id),
  product_id BIGINT NOT NULL,
  sku_id BIGINT NOT NULL,
  sku_code TEXT NOT NULL,
  product_name TEXT NOT NULL,
  sku_name TEXT NOT NULL,
  delivery TEXT NOT NULL,
  quantity BIGINT NOT NULL CHECK (quantity > 0),
  delivered BIGINT NOT NULL DEFAULT 0,
  unit_minor BIGINT NOT NULL CHECK (unit_minor >= 0),
  total_minor BIGINT NOT NULL CHECK (total_minor >= 0),
  is_free BIGINT NOT NULL DEFAULT 0,
  prices TEXT NOT NULL,                      -- JSON: the price list the unit price was taken from
  fields TEXT NOT NULL DEFAULT '{}',         -- JSON: the buyer's answers
  CHECK (delivered <= quantity)
);
CREATE INDEX order_lines_order ON order_lines (order_id);
CREATE TABLE order_exceptions (              -- the desk: open until someone, or a policy, closes it with a reason
  exception_id {pk},
  order_id BIGINT NOT NULL REFERENCES orders (order_id),
  kind TEXT NOT NULL,
  detail TEXT NOT NULL DEFAULT '{}',         -- JSON
  opened_at BIGINT NOT NULL,
  closed_at BIGINT,
  closed_by TEXT,
  reason TEXT,
  CHECK (kind IN ('paid_late', 'paid_partly', 'paid_over', 'paid_twice', 'mismatch', 'short_of_stock', 'sealed',
                  'delivery_failed', 'gateway_unclear')),
  CHECK ((closed_at IS NULL) = (reason IS NULL))
);
CREATE INDEX order_exceptions_order ON order_exceptions (order_id);
CREATE INDEX order_exceptions_open ON order_exceptions (opened_at) WHERE closed_at IS NULL;
CREATE TABLE idempotency (                   -- what a client's key already did
  scope TEXT NOT NULL,
  key_hash {bytes} NOT NULL,
  request_digest {bytes} NOT NULL,
  order_id BIGINT NOT NULL REFERENCES orders (order_id),
  created_at BIGINT NOT NULL,
  PRIMARY KEY (scope, key_hash)
);
CREATE INDEX idempotency_age ON idempotency (created_at);

-- room: payments
CREATE TABLE gateways (                      -- configured accounts; `name` stands in the callback's path
  gateway_id {pk},
  name TEXT NOT NULL UNIQUE,
  type TEXT NOT NULL,
  label TEXT NOT NULL DEFAULT '',
  options TEXT NOT NULL,                     -- JSON, the options that are no secret
  secrets {bytes} NOT NULL,                  -- sealed JSON, the options that are
  is_enabled BIGINT NOT NULL,
  position BIGINT NOT NULL DEFAULT 0,
  version BIGINT NOT NULL DEFAULT 1,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE TABLE attempts (                      -- one try to pay, at one gateway account
  attempt_id {pk},
  attempt_no TEXT NOT NULL UNIQUE,           -- what the gateway calls out_trade_no
  order_id BIGINT NOT NULL REFERENCES orders (order_id),
  gateway_id BIGINT NOT NULL REFERENCES gateways (gateway_id),
  method TEXT NOT NULL,                      -- '' leaves the choice to the gateway's own cashier
  currency TEXT NOT NULL,
  amount_minor BIGINT NOT NULL,
  status TEXT NOT NULL,
  kind TEXT NOT NULL DEFAULT '',             -- redirect | qr | form, once the gateway has answered
  url TEXT NOT NULL DEFAULT '',
  qr TEXT NOT NULL DEFAULT '',
  fields TEXT NOT NULL DEFAULT '{}',         -- JSON, of kind form
  gateway_ref TEXT NOT NULL DEFAULT '',
  problem TEXT NOT NULL DEFAULT '',          -- why the gateway could not begin it
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  next_query_at BIGINT,                      -- when to ask the gateway; NULL: never again
  queries BIGINT NOT NULL DEFAULT 0,
  ended_at BIGINT,
  CHECK (status IN ('open', 'succeeded', 'failed', 'closed'))
);
CREATE INDEX attempts_order ON attempts (order_id);
CREATE INDEX attempts_query ON attempts (next_query_at) WHERE next_query_at IS NOT NULL;
CREATE TABLE callbacks (                     -- the inbox: as received, before anything is believed
  callback_id {pk},
  gateway_name TEXT NOT NULL,
  gateway_id BIGINT,
  received_at BIGINT NOT NULL,
  method TEXT NOT NULL,
  query {bytes} NOT NULL,
  headers TEXT NOT NULL,                     -- JSON, without cookies and authorization
  body {bytes} NOT NULL,
  ip TEXT NOT NULL,
  verdict TEXT NOT NULL,                     -- new | settled | repeated | ignored | rejected
  reason TEXT NOT NULL DEFAULT '',
  attempt_id BIGINT
);
CREATE INDEX callbacks_attempt ON callbacks (attempt_id) WHERE attempt_id IS NOT NULL;
CREATE INDEX callbacks_new ON callbacks (received_at) WHERE verdict = 'new';
CREATE INDEX callbacks_age ON callbacks (verdict, received_at);
CREATE TABLE receipts (                      -- money that arrived; never changed
  receipt_id {pk},
  gateway_id BIGINT NOT NULL REFERENCES gateways (gateway_id),
  gateway_txn TEXT NOT NULL,
  attempt_id BIGINT NOT NULL REFERENCES attempts (attempt_id),
  order_id BIGINT NOT NULL REFERENCES orders (order_id),
  method TEXT NOT NULL,
  currency TEXT NOT NULL,
  amount_minor BIGINT NOT NULL CHECK (amount_minor > 0),
  is_counted BIGINT NOT NULL,                -- 0: recorded, but not in the order's currency or not by its method
  source TEXT NOT NULL,                      -- callback | query | manual
  callback_id BIGINT,
  received_at BIGINT NOT NULL,
  UNIQUE (gateway_id, gateway_txn)
);
CREATE INDEX receipts_order ON receipts (order_id);

-- only: sqlite
CREATE TRIGGER receipts_never_updated BEFORE UPDATE ON receipts
BEGIN SELECT RAISE(ABORT, 'receipts are never changed'); END;
-- only: sqlite
CREATE TRIGGER receipts_never_deleted BEFORE DELETE ON receipts
BEGIN SELECT RAISE(ABORT, 'receipts are never deleted'); END;
-- only: postgres
CREATE FUNCTION receipts_never_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'receipts are never changed'; END $$;
-- only: postgres
CREATE TRIGGER receipts_never_changed BEFORE UPDATE OR DELETE ON receipts
FOR EACH ROW EXECUTE FUNCTION receipts_never_changed();

-- room: jobs
CREATE TABLE job_runs (
  job TEXT PRIMARY KEY,
  started_at BIGINT NOT NULL,
  ended_at BIGINT,
  done BIGINT NOT NULL DEFAULT 0,
  problem TEXT NOT NULL DEFAULT ''
);

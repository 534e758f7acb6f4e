-- Data keys are renewed while the shop sells. From the moment a product has a newer key, nothing more is sealed under an older one.

-- room: vault
CREATE TABLE rotations (                     -- one row per rotation: how far it is, and what was counted before and after
  rotation_id {pk},
  product_id BIGINT,                         -- NULL: every product
  status TEXT NOT NULL,                      -- running | done | incomplete
  sweep BIGINT NOT NULL DEFAULT 1,           -- which walk over all codes; the last one finds nothing left to do
  cursor BIGINT NOT NULL DEFAULT 0,          -- the last code_id that this walk has seen to
  found BIGINT NOT NULL DEFAULT 0,           -- codes under old keys that this walk has met, unreadable ones aside
  total BIGINT NOT NULL,                     -- codes that were to be sealed anew
  done BIGINT NOT NULL DEFAULT 0,
  codes_before BIGINT NOT NULL,
  fingerprints_before BIGINT NOT NULL,
  keys_before BIGINT NOT NULL,
  codes_after BIGINT,
  fingerprints_after BIGINT,
  keys_after BIGINT,
  unreadable BIGINT NOT NULL DEFAULT 0,
  witness TEXT NOT NULL DEFAULT '',          -- the first code that did not open
  started_by TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  moved_at BIGINT NOT NULL,
  ended_at BIGINT,
  CHECK (status IN ('running', 'done', 'incomplete')),
  CHECK ((status = 'running') = (ended_at IS NULL))
);
CREATE UNIQUE INDEX rotations_running ON rotations (status) WHERE status = 'running';
CREATE TABLE rotation_unreadable (           -- codes that did not open: left as they are, their old keys kept
  rotation_id BIGINT NOT NULL REFERENCES rotations (rotation_id),
  code_id BIGINT NOT NULL,
  product_id BIGINT NOT NULL,                -- as the code says
  home_id BIGINT NOT NULL,                   -- as its batch says
  epoch BIGINT NOT NULL,
  sweep BIGINT NOT NULL,                     -- the last walk that met it
  found_at BIGINT NOT NULL,
  PRIMARY KEY (rotation_id, code_id)
);

-- room: inventory
-- only: sqlite
CREATE TRIGGER codes_come_under_the_newest_key BEFORE INSERT ON codes
WHEN NEW.epoch IS NOT (SELECT MAX(epoch) FROM vault_keys WHERE product_id = NEW.product_id)
BEGIN SELECT RAISE(ABORT, 'a code is sealed under its product''s newest key'); END;
-- only: sqlite
CREATE TRIGGER codes_move_to_the_newest_key BEFORE UPDATE OF epoch, product_id ON codes
WHEN NEW.epoch IS NOT (SELECT MAX(epoch) FROM vault_keys WHERE product_id = NEW.product_id)
BEGIN SELECT RAISE(ABORT, 'a code is sealed under its product''s newest key'); END;
-- only: postgres
CREATE FUNCTION codes_newest_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.epoch IS DISTINCT FROM (SELECT MAX(epoch) FROM vault_keys WHERE product_id = NEW.product_id) THEN
    RAISE EXCEPTION 'a code is sealed under its product''s newest key' USING ERRCODE = 'check_violation';
  END IF;
  RETURN NEW;
END $$;
-- only: postgres
CREATE TRIGGER codes_newest_key BEFORE INSERT OR UPDATE OF epoch, product_id ON codes
FOR EACH ROW EXECUTE FUNCTION codes_newest_key();

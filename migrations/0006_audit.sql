-- The audit: who signs its checkpoints, the checkpoints, the look-ups of its pages, and personal values that are only ever erased.

-- room: audit
CREATE TABLE audit_signers (                 -- the newest signs; the older ones have signed
  signer_id {pk},
  name TEXT NOT NULL,                        -- kashop/<shop id>: the origin of its notes
  public_key {bytes} NOT NULL UNIQUE,
  sealed_seed {bytes} NOT NULL,
  created_at BIGINT NOT NULL
);
CREATE TABLE audit_checkpoints (             -- signed notes on the head of the chain
  seq BIGINT PRIMARY KEY,
  hash {bytes} NOT NULL,
  at BIGINT NOT NULL,
  note TEXT NOT NULL,                        -- the whole signed note: what leaves the host
  pushed_at BIGINT,
  is_mailed BIGINT NOT NULL DEFAULT 0,       -- one a day goes by mail too
  acknowledged_at BIGINT,                    -- when something off the host had it
  acknowledged_by TEXT NOT NULL DEFAULT ''   -- mail | webhook | file
);
CREATE INDEX audit_checkpoints_mailed ON audit_checkpoints (seq) WHERE is_mailed = 1;
CREATE INDEX audit_checkpoints_acknowledged ON audit_checkpoints (seq) WHERE acknowledged_at IS NOT NULL;
CREATE INDEX events_at ON events (at, seq);
CREATE INDEX events_actor ON events (actor_kind, actor_ref, seq);

-- only: sqlite
CREATE TRIGGER audit_checkpoints_never_changed BEFORE UPDATE OF seq, hash, at, note ON audit_checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints are never changed'); END;
-- only: sqlite
CREATE TRIGGER audit_checkpoints_never_deleted BEFORE DELETE ON audit_checkpoints
BEGIN SELECT RAISE(ABORT, 'checkpoints are never deleted'); END;
-- only: sqlite
CREATE TRIGGER event_personal_only_erased BEFORE UPDATE ON event_personal
WHEN NEW.value <> '' OR NEW.personal_id <> OLD.personal_id
BEGIN SELECT RAISE(ABORT, 'personal values are only ever erased'); END;
-- only: sqlite
CREATE TRIGGER event_personal_never_deleted BEFORE DELETE ON event_personal
BEGIN SELECT RAISE(ABORT, 'personal values are only ever erased'); END;
-- only: postgres
CREATE FUNCTION audit_checkpoints_never_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'checkpoints are never changed'; END $$;
-- only: postgres
CREATE TRIGGER audit_checkpoints_never_changed BEFORE DELETE OR UPDATE OF seq, hash, at, note ON audit_checkpoints
FOR EACH ROW EXECUTE FUNCTION audit_checkpoints_never_changed();
-- only: postgres
CREATE FUNCTION event_personal_only_erased() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'UPDATE' THEN
    IF NEW.value = '' AND NEW.personal_id = OLD.personal_id THEN RETURN NEW; END IF;
  END IF;
  RAISE EXCEPTION 'personal values are only ever erased';
END $$;
-- only: postgres
CREATE TRIGGER event_personal_only_erased BEFORE UPDATE OR DELETE ON event_personal
FOR EACH ROW EXECUTE FUNCTION event_personal_only_erased();

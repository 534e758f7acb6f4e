-- The vault can be sealed: its state, the ways to open it, and how an opened root key reaches a running server.

-- room: vault
ALTER TABLE vault_roots ADD COLUMN label TEXT NOT NULL DEFAULT '';
CREATE TABLE vault_state (                   -- one row: whether deliveries wait for the vault
  state_id BIGINT PRIMARY KEY,
  sealed_at BIGINT,                          -- NULL: open
  why TEXT NOT NULL DEFAULT '',              -- start: a server came up without a secret · asked: by a person · alarm
  sealed_by TEXT NOT NULL DEFAULT ''
);
INSERT INTO vault_state (state_id) VALUES (1);
CREATE TABLE vault_doors (                   -- each running server's one-time public key; the private half is in its memory alone
  door_id {pk},
  public_key {bytes} NOT NULL,
  opened_at BIGINT NOT NULL
);
CREATE TABLE vault_letters (                 -- the root key for one door, in a box that only that process can open
  letter_id {pk},
  door_id BIGINT NOT NULL REFERENCES vault_doors (door_id),
  box {bytes} NOT NULL,
  written_at BIGINT NOT NULL
);
CREATE INDEX vault_letters_door ON vault_letters (door_id);

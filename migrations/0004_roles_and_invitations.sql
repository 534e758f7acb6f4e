-- The shop's own roles get a number for the audit and a version for their editors; people come in by invitation.

-- room: accounts
ALTER TABLE roles ADD COLUMN role_id BIGINT NOT NULL DEFAULT 0;
ALTER TABLE roles ADD COLUMN version BIGINT NOT NULL DEFAULT 1;
CREATE INDEX staff_role ON staff (role);
CREATE TABLE invitations (                   -- a place on the staff held for somebody
  invitation_id {pk},
  email TEXT NOT NULL,
  role TEXT NOT NULL,
  staff_id BIGINT REFERENCES staff (staff_id),  -- somebody who is here already and shall set a new password
  link_hash {bytes} NOT NULL UNIQUE,         -- of the link's token; a renewed invitation has another
  inviter_kind TEXT NOT NULL,                -- who vouches: looked at again when the link is used
  inviter_ref TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  ended_at BIGINT,                           -- accepted or withdrawn
  outcome TEXT NOT NULL DEFAULT '',          -- accepted | withdrawn
  CHECK ((ended_at IS NULL) = (outcome = ''))
);
CREATE UNIQUE INDEX invitations_open ON invitations (email) WHERE ended_at IS NULL;
CREATE INDEX invitations_age ON invitations (expires_at);

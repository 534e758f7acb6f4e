-- How staff prove twice who they are, what waits between the two proofs, and what looked strange about a log-in.

-- room: accounts
CREATE TABLE totp_seeds (                    -- RFC 6238; who has a row here is asked for a code
  staff_id BIGINT PRIMARY KEY REFERENCES staff (staff_id),
  sealed {bytes} NOT NULL,                   -- bound to the name staff/<staff_id>/totp
  last_step BIGINT NOT NULL,                 -- of the code used last: neither it nor an older one works again
  failures BIGINT NOT NULL DEFAULT 0,        -- wrong codes in a row
  locked_until BIGINT NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL
);
CREATE TABLE recovery_codes (
  code_hash {bytes} PRIMARY KEY,             -- keyed: worth nothing without the root key
  staff_id BIGINT NOT NULL REFERENCES staff (staff_id),
  created_at BIGINT NOT NULL,
  used_at BIGINT
);
CREATE INDEX recovery_codes_staff ON recovery_codes (staff_id);
CREATE TABLE pending_logins (                -- the first proof was right, the second is awaited
  pending_hash {bytes} PRIMARY KEY,
  staff_id BIGINT NOT NULL REFERENCES staff (staff_id),
  expires_at BIGINT NOT NULL
);
CREATE INDEX pending_logins_staff ON pending_logins (staff_id);
CREATE TABLE password_resets (
  reset_hash {bytes} PRIMARY KEY,
  staff_id BIGINT NOT NULL REFERENCES staff (staff_id),
  created_at BIGINT NOT NULL,
  expires_at BIGINT NOT NULL,
  used_at BIGINT
);
CREATE INDEX password_resets_staff ON password_resets (staff_id, created_at);
CREATE TABLE login_networks (                -- from where each account was used lately
  staff_id BIGINT NOT NULL REFERENCES staff (staff_id),
  network TEXT NOT NULL,                     -- an IPv4 address or an IPv6 /64
  seen_at BIGINT NOT NULL,
  PRIMARY KEY (staff_id, network)
);
CREATE TABLE login_alerts (                  -- shown until dismissed
  alert_id {pk},
  staff_id BIGINT NOT NULL REFERENCES staff (staff_id),
  kind TEXT NOT NULL,                        -- new_place | failures | codes
  ip TEXT NOT NULL,
  user_agent TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  dismissed_at BIGINT
);
CREATE INDEX login_alerts_staff ON login_alerts (staff_id, created_at);
CREATE INDEX login_alerts_open ON login_alerts (created_at) WHERE dismissed_at IS NULL;
CREATE TABLE login_counts (                  -- failures at addresses that nobody has: a row a day, however many
  day BIGINT PRIMARY KEY,                    -- when it began, UTC
  unknown BIGINT NOT NULL
);

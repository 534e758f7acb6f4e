-- The shop's own roles, the moment somebody last proved who they are, and what the shop has to tell people.

-- room: accounts
ALTER TABLE sessions ADD COLUMN stepped_up_at BIGINT NOT NULL DEFAULT 0;
CREATE TABLE roles (                         -- the shop's own, beside the table of accounts/rules.py
  role TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  permissions TEXT NOT NULL,                 -- JSON: names of permissions
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);

-- room: notices
CREATE TABLE notices (                       -- what is to be told, each over one channel; a row holds its own due time
  notice_id {pk},
  about TEXT NOT NULL,                       -- vault.alarm, login.suspicious, …: the text is made when it is sent
  channel TEXT NOT NULL,                     -- mail | webhook | file
  recipient TEXT NOT NULL,                   -- an address; '' where the channel has but one
  facts TEXT NOT NULL,                       -- JSON, references and words: never a code, a key or a password
  created_at BIGINT NOT NULL,
  next_try_at BIGINT,                        -- NULL: sent, or given up
  tries BIGINT NOT NULL DEFAULT 0,
  sent_at BIGINT,
  problem TEXT NOT NULL DEFAULT ''
);
CREATE INDEX notices_due ON notices (next_try_at) WHERE next_try_at IS NOT NULL;
CREATE INDEX notices_age ON notices (created_at);

-- What servers on one database tell each other, which a shop that is alone in its file keeps in memory.

-- Tries that one server counted, for the others to count with: who tried is a keyed digest.
-- room: risk
CREATE TABLE told_tries (
  told_id {pk},
  node TEXT NOT NULL,
  told_at BIGINT NOT NULL,
  tries TEXT NOT NULL
);
CREATE INDEX told_tries_due ON told_tries (told_at, told_id);

-- Tries that are counted one by one over all servers: at a password, a code, a secret.
-- room: risk
CREATE TABLE tries (
  subject TEXT NOT NULL,
  tried_at BIGINT NOT NULL,
  count BIGINT NOT NULL,
  until BIGINT NOT NULL,
  PRIMARY KEY (subject, tried_at)
);
CREATE INDEX tries_due ON tries (until, subject, tried_at);

-- Places in the line of those who cannot compute: one line, however many servers.
-- room: risk
CREATE TABLE waiting_turns (
  client TEXT PRIMARY KEY,
  work_ms BIGINT NOT NULL,
  opens_at BIGINT NOT NULL,
  until BIGINT NOT NULL
);
CREATE INDEX waiting_turns_due ON waiting_turns (until, client);

-- Processes at work on this database: the number in the keys that each makes, its own until its lease ends, and what it runs.
-- room: settings
CREATE TABLE node_numbers (
  number BIGINT PRIMARY KEY,
  name TEXT NOT NULL,
  until BIGINT NOT NULL,
  says TEXT NOT NULL
);

-- Which servers work on one database, with which program, and when each was last seen: for who looks after several of them.

-- room: jobs
CREATE TABLE nodes (
  node TEXT PRIMARY KEY,
  name TEXT NOT NULL,
  version TEXT NOT NULL,
  newest TEXT NOT NULL,
  does TEXT NOT NULL,
  url TEXT NOT NULL,
  started_at BIGINT NOT NULL,
  seen_at BIGINT NOT NULL,
  is_leaving BIGINT NOT NULL DEFAULT 0
);

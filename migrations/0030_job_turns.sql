-- Which node has a job's turn, and until when: of many servers on one database one does it at a time, and any goes on when that one dies.

-- room: jobs
CREATE TABLE job_turns (
  job TEXT PRIMARY KEY,
  node TEXT NOT NULL,
  until BIGINT NOT NULL
);

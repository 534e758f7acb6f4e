-- A chunk of an import on its way to the shelf.

-- room: inventory
CREATE TABLE intake (                        -- filled, shelved in one statement and emptied within one change: always empty outside
  code_id BIGINT PRIMARY KEY,
  batch_id BIGINT NOT NULL,
  epoch BIGINT NOT NULL,
  sealed {bytes} NOT NULL,
  fingerprint {bytes} NOT NULL,
  cost_minor BIGINT NOT NULL,
  expires_on TEXT NOT NULL
);

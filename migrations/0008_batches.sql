-- Imports that are watched while they run, stopped, edited, and taken back while nothing of them is sold.

-- room: inventory
-- batches.status: importing -> done | stopped; any of these -> undoing -> undone.
-- rows_total: of the file, 0 while it is not known; touched_at: of the last chunk, for an import long untouched was interrupted;
-- taken_back: codes that an undo made void.
ALTER TABLE batches ADD COLUMN rows_total BIGINT NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN rows_read BIGINT NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN touched_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE batches ADD COLUMN ended_at BIGINT;
ALTER TABLE batches ADD COLUMN taken_back BIGINT NOT NULL DEFAULT 0;
UPDATE batches SET touched_at = created_at, rows_read = imported + duplicates + bad;
UPDATE batches SET ended_at = created_at WHERE status = 'done';
CREATE INDEX batches_file ON batches (source_digest) WHERE source_digest IS NOT NULL;
-- released_fingerprint: of a code that was taken back and may come again.
ALTER TABLE codes ADD COLUMN released_fingerprint {bytes};
CREATE INDEX codes_released ON codes (released_fingerprint) WHERE released_fingerprint IS NOT NULL;
CREATE TABLE batch_rejects (                 -- which rows did not become stock, and why: never a code
  batch_id BIGINT PRIMARY KEY REFERENCES batches (batch_id),
  listed BIGINT NOT NULL,
  content {bytes} NOT NULL                   -- zlib of CSV: file, row, reason
);

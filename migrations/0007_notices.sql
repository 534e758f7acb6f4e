-- Secrets that a notice carries until it is sent, and the look for what was told to somebody lately.

-- room: notices
-- `sealed`: a link or a code for the reader's eyes, gone once the notice is sent or given up
ALTER TABLE notices ADD COLUMN sealed {bytes};
CREATE INDEX notices_told ON notices (recipient, about, sent_at) WHERE sent_at IS NOT NULL;

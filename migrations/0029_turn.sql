-- The row that whoever writes locks first, so that of many nodes one writes at a time. The file has a lock for that already.

-- room: shelf
-- only: postgres
INSERT INTO versions (name, version) VALUES ('writer', 0);

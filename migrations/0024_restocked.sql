-- How often something came back into sale: whoever remembers that a thing is sold out sees that he may be wrong by now.
-- A trigger counts, so that no way of bringing stock can forget; taking from stock costs nothing.

-- room: shelf
INSERT INTO versions (name, version) VALUES ('stock', 1);

-- only: sqlite
CREATE TRIGGER stock_counts_insert_counts AFTER INSERT ON stock_counts WHEN NEW.free > 0
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'stock'; END;
-- only: sqlite
CREATE TRIGGER stock_counts_update_counts AFTER UPDATE OF free ON stock_counts WHEN NEW.free > OLD.free
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'stock'; END;
-- only: postgres
CREATE FUNCTION stock_came() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'stock'; RETURN NULL; END $$;
-- only: postgres
CREATE TRIGGER stock_counts_insert_counts AFTER INSERT ON stock_counts
FOR EACH ROW WHEN (NEW.free > 0) EXECUTE FUNCTION stock_came();
-- only: postgres
CREATE TRIGGER stock_counts_update_counts AFTER UPDATE OF free ON stock_counts
FOR EACH ROW WHEN (NEW.free > OLD.free) EXECUTE FUNCTION stock_came();

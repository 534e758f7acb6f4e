-- How often what a sale is priced by has changed: whoever keeps it in memory sees that his copy is old, whoever changed it.
-- Kept by triggers, so that no writer can forget.

-- room: shelf
CREATE TABLE versions (
  name TEXT PRIMARY KEY,
  version BIGINT NOT NULL
);
INSERT INTO versions (name, version) VALUES ('shelf', 1);

-- only: sqlite
CREATE TRIGGER categories_insert_counts AFTER INSERT ON categories
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; END;
-- only: sqlite
CREATE TRIGGER categories_update_counts AFTER UPDATE ON categories
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; END;
-- only: sqlite
CREATE TRIGGER categories_delete_counts AFTER DELETE ON categories
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; END;
-- only: sqlite
CREATE TRIGGER products_insert_counts AFTER INSERT ON products
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; END;
-- only: sqlite
CREATE TRIGGER products_update_counts AFTER UPDATE ON products
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; END;
-- only: sqlite
CREATE TRIGGER products_delete_counts AFTER DELETE ON products
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; END;
-- only: sqlite
CREATE TRIGGER skus_insert_counts AFTER INSERT ON skus
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; END;
-- only: sqlite
CREATE TRIGGER skus_update_counts AFTER UPDATE ON skus
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; END;
-- only: sqlite
CREATE TRIGGER skus_delete_counts AFTER DELETE ON skus
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; END;
-- only: sqlite
CREATE TRIGGER price_tiers_insert_counts AFTER INSERT ON price_tiers
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; END;
-- only: sqlite
CREATE TRIGGER price_tiers_update_counts AFTER UPDATE ON price_tiers
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; END;
-- only: sqlite
CREATE TRIGGER price_tiers_delete_counts AFTER DELETE ON price_tiers
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; END;
-- only: sqlite
CREATE TRIGGER pools_insert_counts AFTER INSERT ON pools
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; END;
-- only: sqlite
CREATE TRIGGER pools_update_counts AFTER UPDATE ON pools
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; END;
-- only: sqlite
CREATE TRIGGER pools_delete_counts AFTER DELETE ON pools
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; END;
-- only: sqlite
CREATE TRIGGER pool_channels_insert_counts AFTER INSERT ON pool_channels
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; END;
-- only: sqlite
CREATE TRIGGER pool_channels_update_counts AFTER UPDATE ON pool_channels
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; END;
-- only: sqlite
CREATE TRIGGER pool_channels_delete_counts AFTER DELETE ON pool_channels
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; END;
-- only: sqlite
CREATE TRIGGER gateways_insert_counts AFTER INSERT ON gateways
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; END;
-- only: sqlite
CREATE TRIGGER gateways_update_counts AFTER UPDATE ON gateways
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; END;
-- only: sqlite
CREATE TRIGGER gateways_delete_counts AFTER DELETE ON gateways
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; END;
-- only: postgres
CREATE FUNCTION shelf_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN UPDATE versions SET version = version + 1 WHERE name = 'shelf'; RETURN NULL; END $$;
-- only: postgres
CREATE TRIGGER categories_counts AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON categories
FOR EACH STATEMENT EXECUTE FUNCTION shelf_changed();
-- only: postgres
CREATE TRIGGER products_counts AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON products
FOR EACH STATEMENT EXECUTE FUNCTION shelf_changed();
-- only: postgres
CREATE TRIGGER skus_counts AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON skus
FOR EACH STATEMENT EXECUTE FUNCTION shelf_changed();
-- only: postgres
CREATE TRIGGER price_tiers_counts AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON price_tiers
FOR EACH STATEMENT EXECUTE FUNCTION shelf_changed();
-- only: postgres
CREATE TRIGGER pools_counts AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON pools
FOR EACH STATEMENT EXECUTE FUNCTION shelf_changed();
-- only: postgres
CREATE TRIGGER pool_channels_counts AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON pool_channels
FOR EACH STATEMENT EXECUTE FUNCTION shelf_changed();
-- only: postgres
CREATE TRIGGER gateways_counts AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON gateways
FOR EACH STATEMENT EXECUTE FUNCTION shelf_changed();

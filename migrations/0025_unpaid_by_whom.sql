-- With the status first, as `orders_due` has it: else that one is taken for them, and every new order counts all that are unpaid.

-- room: orders
DROP INDEX orders_unpaid_client;
CREATE INDEX orders_unpaid_client ON orders (status, client, units) WHERE status = 'pending';
DROP INDEX orders_unpaid_contact;
CREATE INDEX orders_unpaid_contact ON orders (status, contact, units) WHERE status = 'pending';
DROP INDEX orders_unpaid_browser;
CREATE INDEX orders_unpaid_browser ON orders (status, browser, units) WHERE status = 'pending' AND browser <> 0;

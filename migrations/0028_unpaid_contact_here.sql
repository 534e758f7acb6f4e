-- A contact's unpaid orders count only together with the address that they came from: whoever merely knows a contact uses nothing up.

-- room: orders
DROP INDEX orders_unpaid_contact;
CREATE INDEX orders_unpaid_contact ON orders (status, contact, client, units) WHERE status = 'pending';

-- What is asked for again and again costs the same after years as on the first day (docs/decisions/0033).
-- room: orders
-- with the status first, for one that names it is never passed over for the index of all orders by status
DROP INDEX orders_due;
CREATE INDEX orders_due ON orders (status, expires_at) WHERE status = 'pending';
DROP INDEX orders_undelivered;
CREATE INDEX orders_undelivered ON orders (status, paid_at) WHERE status IN ('paid', 'delivering');
-- an agent's contact has a hundred thousand orders without a look-up password
CREATE INDEX orders_lookup ON orders (contact, order_id) WHERE lookup_hash IS NOT NULL;
CREATE INDEX orders_lookup_paid ON orders (contact, order_id) WHERE lookup_hash IS NOT NULL AND paid_minor > 0;
CREATE INDEX order_exceptions_open_id ON order_exceptions (exception_id) WHERE closed_at IS NULL;
-- room: payments
CREATE INDEX attempts_gateway ON attempts (gateway_id, created_at);
CREATE INDEX odd_amounts_until ON odd_amounts (until);
CREATE INDEX differences_still_open ON differences (difference_id) WHERE closed_at IS NULL;

-- Years of a shop's history, told in a few statements: docs/reference/bench.md says what is simplified.
-- :orders so many, the newest the last; :start, :step when they came; :now; :recent so many are not over yet.
-- Every 20th is an agent's, who buys without a look-up password; others buy five times each, every second with one.

-- step: orders
INSERT INTO orders (order_id, order_no, token_hash, channel, pool_id, status, contact_type, contact, lookup_hash, currency,
  total_minor, paid_minor, locale, created_at, expires_at, paid_at, delivered_at, ended_at, refunded_minor)
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < :orders),
  told AS (
    SELECT i, CASE WHEN :orders - i < :recent THEN :now - (:orders - i + 1) * 2000 ELSE :start + i * :step END AS at,
      CASE WHEN :orders - i < :recent * 4 / 5 THEN 'pending'
           WHEN :orders - i < :recent THEN 'paid'
           WHEN i % 100 < 80 THEN 'delivered'
           WHEN i % 100 < 95 THEN 'expired'
           WHEN i % 100 < 98 THEN 'cancelled'
           WHEN i % 100 < 99 THEN 'refunded'
           ELSE 'delivered' END AS status,
      -- of what is sold out, so that no sweep delivers it
      CASE WHEN :orders - i < :recent AND :orders - i >= :recent * 4 / 5 THEN :products - 1 ELSE i % :products END AS place
    FROM n)
SELECT i, 'K' || substr(strftime('%Y%m%d', at / 1000, 'unixepoch'), 3) || hex(randomblob(7)), randomblob(32),
  CASE WHEN i % 20 = 0 THEN 'api' ELSE 'web' END, 1, status, 'email',
  CASE WHEN i % 20 = 0 THEN 'agent@example.com' ELSE 'buyer' || (i % (:orders / 5 + 1)) || '@example.com' END,
  CASE WHEN i % 20 = 0 OR i % 2 = 0 THEN NULL ELSE :lookup_hash END, 'CNY', s.price,
  CASE WHEN status IN ('paid', 'delivered', 'refunded') THEN s.price ELSE 0 END, 'zh-Hans', at,
  CASE status WHEN 'pending' THEN :now + 30 * 86400000 ELSE at + 900000 END,
  CASE WHEN status IN ('paid', 'delivered', 'refunded') THEN at + 20000 END,
  CASE WHEN status IN ('delivered', 'refunded') THEN at + 20000 END,
  CASE status WHEN 'expired' THEN at + 900000 WHEN 'cancelled' THEN at + 60000 WHEN 'refunded' THEN at + 86400000 END,
  CASE status WHEN 'refunded' THEN s.price ELSE 0 END
FROM told JOIN shelf s ON s.place = told.place;

-- step: lines
INSERT INTO order_lines (line_id, order_id, product_id, sku_id, sku_code, product_name, sku_name, delivery, quantity, delivered,
  unit_minor, total_minor, prices)
SELECT o.order_id, o.order_id, s.product_id, s.sku_id, s.sku_code, s.name, '', 'auto', 1,
  CASE WHEN o.delivered_at IS NULL THEN 0 ELSE 1 END, s.price, s.price, '{"price":' || s.price || ',"tiers":[]}'
FROM orders o JOIN shelf s ON s.place = CASE o.status WHEN 'paid' THEN :products - 1 ELSE o.order_id % :products END;

-- step: batches, of some hundred codes each
INSERT INTO batches (batch_id, product_id, sku_id, pool_id, kind, name, source, source_digest, status, imported, created_by,
  created_at, rows_total, rows_read, touched_at, ended_at)
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < (:orders / (:products * 1000) + 1) * :products)
SELECT :first_batch + i, s.product_id, s.sku_id, 1, 'import', 'batch ' || i, 'codes.txt', randomblob(32), 'done', 0, 'cli',
  :start - 1000, 1000, 1000, :start - 1000, :start - 1000
FROM n JOIN shelf s ON s.place = i % :products;

-- step: codes that were sold, are held, or were taken out of sale
INSERT INTO codes (code_id, product_id, sku_id, pool_id, batch_id, epoch, sealed, fingerprint, status, line_id, held_until,
  changed_at)
SELECT (((o.created_at - 1577836800000) << 10) | 512) << 12, s.product_id, s.sku_id, 1,
  :first_batch + (o.order_id / (:products * 1000)) * :products + o.order_id % :products, 1, randomblob(61),
  randomblob(32),
  CASE WHEN o.status = 'pending' THEN 'held' WHEN o.status = 'expired' THEN 'void' ELSE 'sold' END,
  CASE WHEN o.status <> 'expired' THEN o.order_id END,
  CASE WHEN o.status = 'pending' THEN o.expires_at END, o.created_at
FROM orders o JOIN shelf s ON s.place = o.order_id % :products
WHERE o.status IN ('pending', 'delivered', 'refunded') OR (o.status = 'expired' AND o.order_id % 100 = 94);

-- step: what each batch brought, and what is left of each SKU
CREATE TEMP TABLE brought AS SELECT batch_id, COUNT(*) AS codes FROM codes GROUP BY batch_id;
UPDATE batches SET imported = COALESCE((SELECT codes FROM brought b WHERE b.batch_id = batches.batch_id), 0)
WHERE batch_id >= :first_batch;
DELETE FROM stock_counts;
INSERT INTO stock_counts (sku_id, pool_id, free, held, sold, void)
SELECT sku_id, pool_id, SUM(status = 'free'), SUM(status = 'held'), SUM(status = 'sold'), SUM(status = 'void')
FROM codes GROUP BY sku_id, pool_id;

-- step: attempts
INSERT INTO attempts (attempt_id, attempt_no, order_id, gateway_id, method, currency, amount_minor, status, kind, url, created_at,
  expires_at, next_query_at, ended_at, due_minor, device)
SELECT order_id, 'A' || substr(order_no, 2, 6) || hex(randomblob(7)), order_id, 1, 'alipay', 'CNY', total_minor,
  CASE WHEN status = 'pending' THEN 'open' WHEN paid_at IS NOT NULL THEN 'succeeded' ELSE 'closed' END, 'redirect',
  'http://127.0.0.1:9/submit.php?pid=1001&type=alipay&out_trade_no=' || order_no || '&money=12.50&sign_type=MD5&sign='
    || hex(randomblob(16)),
  created_at, expires_at, CASE WHEN status = 'pending' THEN :now + 30 * 86400000 END,
  CASE WHEN status <> 'pending' THEN COALESCE(paid_at, ended_at) END, total_minor, 'phone'
FROM orders;

-- step: callbacks of the last thirty days
INSERT INTO callbacks (callback_id, gateway_name, gateway_id, received_at, method, query, headers, body, ip, verdict, attempt_id)
SELECT order_id, 'epay-main', 1, paid_at - 5, 'GET',
  CAST('pid=1001&trade_no=T' || order_id || '&type=alipay&money=12.50&trade_status=TRADE_SUCCESS&sign=' || hex(randomblob(16))
       AS BLOB),
  '{"host":"shop.example.com","user-agent":"Mozilla/5.0"}', x'', '203.0.113.9', 'settled', order_id
FROM orders WHERE paid_at > :now - 30 * 86400000;

-- step: receipts
INSERT INTO receipts (receipt_id, gateway_id, gateway_txn, attempt_id, order_id, method, currency, amount_minor, source,
  callback_id, received_at, counted_minor)
SELECT order_id, 1, 'T' || order_id, order_id, order_id, 'alipay', 'CNY', total_minor, 'callback', order_id, paid_at, total_minor
FROM orders WHERE paid_at IS NOT NULL;

-- step: refunds
INSERT INTO refunds (refund_no, order_id, receipt_id, gateway_id, way, status, amount_minor, currency, counted_minor, reason,
  reference, asked_by, created_at, ended_at)
SELECT 'R' || hex(randomblob(10)), order_id, order_id, 1, 'recorded', 'done', total_minor, 'CNY', total_minor, 'did not work',
  'by hand', 'staff/1', ended_at, ended_at
FROM orders WHERE status = 'refunded';

-- step: the desk: what is paid and not delivered is open, the newest first; the rest was closed long ago
INSERT INTO order_exceptions (order_id, kind, opened_at, closed_at, closed_by, reason)
SELECT order_id, 'short_of_stock', paid_at, CASE WHEN status = 'paid' THEN NULL ELSE paid_at + 60000 END,
  CASE WHEN status = 'paid' THEN NULL ELSE 'staff/1' END, CASE WHEN status = 'paid' THEN NULL ELSE 'restocked' END
FROM orders WHERE status = 'paid' OR (status = 'delivered' AND order_id % 100 = 7);

-- step: idempotency keys of the last two days
INSERT INTO idempotency (scope, key_hash, request_digest, order_id, created_at)
SELECT 'order/' || channel, randomblob(32), randomblob(32), order_id, created_at FROM orders WHERE created_at > :now - 2 * 86400000;

-- step: events, in order; the hashes are no chain
INSERT INTO events (seq, at, name, actor_kind, actor_ref, session, request_id, object_kind, object_id, reason, payload, prev_hash,
  hash)
WITH part (n) AS (VALUES (0), (1), (2), (3), (4))
SELECT :first_event + o.order_id * 5 + n,
  CASE n WHEN 0 THEN o.created_at WHEN 4 THEN o.ended_at ELSE COALESCE(o.paid_at, o.ended_at) END,
  CASE n WHEN 0 THEN 'order.placed' WHEN 1 THEN CASE WHEN o.paid_at IS NULL THEN 'order.' || o.status ELSE 'payment.received' END
         WHEN 2 THEN 'order.paid' WHEN 3 THEN 'order.delivered' ELSE 'refund.done' END,
  CASE WHEN n = 0 THEN 'buyer' WHEN o.paid_at IS NULL THEN 'system' ELSE 'gateway' END,
  CASE WHEN n = 0 OR o.paid_at IS NULL THEN '' ELSE 'epay-main' END, '', CASE n WHEN 0 THEN hex(randomblob(8)) ELSE '' END,
  'order', o.order_id, '',
  CASE n WHEN 0 THEN '{"total":' || o.total_minor || ',"currency":"CNY"}'
         WHEN 1 THEN CASE WHEN o.paid_at IS NULL THEN '{}'
                          ELSE '{"receipt":' || o.order_id || ',"amount":' || o.total_minor || ',"currency":"CNY"}' END
         ELSE '{}' END,
  randomblob(32), randomblob(32)
FROM orders o CROSS JOIN part
WHERE n = 0 OR (n = 1 AND o.status <> 'pending') OR (n = 2 AND o.paid_at IS NOT NULL) OR (n = 3 AND o.delivered_at IS NOT NULL)
  OR (n = 4 AND o.status = 'refunded');

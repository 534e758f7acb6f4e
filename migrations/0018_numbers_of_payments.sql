-- Staff find an order by what stands in a bank's or a vendor's list: the reference of a transfer, the number of a payment.

-- room: payments
CREATE INDEX attempts_ref ON attempts (gateway_ref) WHERE gateway_ref <> '';
CREATE INDEX receipts_txn ON receipts (gateway_txn);

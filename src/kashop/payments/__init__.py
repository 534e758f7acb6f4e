"""支付: gateway accounts, attempts, the callback inbox, receipts, and the Gateway protocol.

Always true: a callback is stored before it is believed; a receipt is credited once for each (gateway account, vendor's
transaction) and never changed; money that arrived is recorded first, whatever becomes of its order.
"""

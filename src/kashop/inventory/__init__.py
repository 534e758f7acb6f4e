"""库存: batches, pools and codes: free → held → sold, or void.

Always true: a code belongs to at most one order line; it never comes back from `sold`; `stock_counts` changes in the same
transaction as the codes it counts; a code is taken only from the pool of its order's channel.
"""

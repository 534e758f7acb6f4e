"""订单: orders, their lines, their state table and the desk of exceptions.

Always true: an order moves only as `rules.MOVES` allows, by compare-and-set; every path that ends an unpaid order gives its
held codes back in the same transaction; what a line cost is on the line and never computed again from the catalogue.
"""

"""商品: what is for sale and for how much.

Always true: a price is in minor units of the shop's currency; a price of 0 carries the explicit free flag; tiers only ever
give another unit price for the whole line.
"""

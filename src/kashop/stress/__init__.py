"""压测 The flash crowd: thousands of buyers at one moment, over real HTTP, against a throw-away copy of a shop.

Always true: nothing but loopback is reached; what is claimed was proved in the copy's database; the copy holds no real code and
no secret of the shop, and is gone afterwards.
"""

"""货架: what is for sale, in memory: offers, prices, categories, gateway accounts, and how much is free. Looks only.

Always true: a copy is one moment of the database; what this process commits is seen at once, what another one does within
half a second; free counts are a quarter of a second old at most after a commit here. Memory decides nothing: a change that uses
prices from here compares `reads.version` in its own transaction, and the count that a hold takes from is the database's. But that
something is sold out may be told from here: what came back into sale by a commit of this process is known at once.
"""

"""Rotations: a new data key for each product, and the walk that seals every code anew under it.

Always true: at most one rotation runs; how far it is stands in its row, in the transaction of the codes it has seen to; an old
key is destroyed only after a whole walk that began after the new ones were made has met no code under it.
"""

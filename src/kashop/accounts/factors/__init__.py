"""The second proof of who somebody is: a code of the moment, or a recovery code; and what stands between the two proofs.

Always true: a seed is kept sealed and shown only while it is enrolled; a code and a recovery code work once; what is asked
for a code takes at most ten wrong ones before it waits; whatever is handed to a browser or mailed is kept as a hash.
"""

from kashop.accounts.factors.types import Alert, Seed

__all__ = ["Alert", "Seed"]

"""发货: how a paid line becomes the buyer's.

Always true: a delivered code is a reference into the vault, never a second copy; a line is delivered in whole; what cannot be
delivered is on the desk with a reason; a look at a code is an event that was committed before.
"""

"""退款: money that goes back, from the wish to the vendor's word.

Always true: a refund stands here under its number before any gateway hears of it; what is done and what is open never exceed
what their receipt brought; a refund is asked for again only with the same number.
"""

"""Lists of codes by what is known of them, never by what they say.

Always true: no look here opens a seal; a list is read along an index, however many codes there are.
"""

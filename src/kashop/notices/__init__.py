"""通知: what the shop has to tell people: by mail, webhook or file.

Always true: a notice is written in the transaction of the change it tells of; it holds references and words, never a code, a
key or a password; it is tried until it is sent or given up, and a failing one holds up no other.
"""

"""Servers on one database: the number that each puts into its keys, and what each of them holds that the others should hold too.

Always true: a number is one server's until its lease ends, and a minute longer after it was given back, so that clocks that
differ a little make no key twice.
"""

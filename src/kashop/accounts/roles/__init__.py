"""The shop's own roles, and how far somebody's rights reach.

Always true: nobody gives or takes a right that he does not hold himself; a role in use stays; the built-in roles are the table
in `accounts/rules.py` and cannot be changed.
"""

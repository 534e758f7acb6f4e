"""Invitations: how somebody new comes in, or somebody who is here sets a new password.

Always true: the link works once, for two days, and is stored only as a hash; whoever invited must still hold the rights that he
gives when it is used; nobody but the invitee chooses the password.
"""

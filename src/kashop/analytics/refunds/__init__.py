"""Invariants of money that goes back."""

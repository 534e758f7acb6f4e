"""Unpaid orders: what they hold, and for whom."""

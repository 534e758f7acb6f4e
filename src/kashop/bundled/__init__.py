"""Plugins in the box.

A folder here is a plugin; it imports `kashop.plugins.api` and nothing else of kashop.
"""

"""Reading the whole chain: is every event there, in its place, as it was written."""

"""Periodic work. APScheduler only rings the bell; what is due stands in the rows, so a missed bell loses nothing."""

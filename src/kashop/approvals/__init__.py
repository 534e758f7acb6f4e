"""批准: what one person may not do alone.

Always true: what is approved is exactly what was asked for, item by item; nobody decides on what they asked for themselves; an
approved act is done once, by the one who asked, within a day of asking.
"""

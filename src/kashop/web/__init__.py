"""The doors: pages, panel, callbacks and API. Parse, guard, one call into a flow, render; nothing is decided here."""

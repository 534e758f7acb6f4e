"""The suppliers' page: codes are sealed in the browser, before anything is sent (docs/decisions/0016)."""

from kashop.web.supply import page

route_handlers = page.route_handlers

"""How often one address may call the API, whichever way a call is answered."""

from kashop.risk import one_client
from kashop.risk.networks import is_free
from kashop.shop import Shop
from kashop.web.edge import Scope

API = "/api/"
_SUPPLIERS = "/api/v1/supply/"
"""Suppliers' calls have limits of their own."""


def count_call(shop: Shop, scope: Scope) -> None:
    """One more call of the API by its address. Raises TooMany."""
    client = scope.get("client")
    ip = client[0] if client else ""
    if ip and not scope["path"].startswith(_SUPPLIERS) and not is_free(shop.settings.text("risk.free_networks"), ip):
        shop.limits.take("api", one_client(ip))

"""Where vendors' statements and the shop's own record do not agree: each is open until it is closed with a reason."""

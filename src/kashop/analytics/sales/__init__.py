"""What must be true of orders, their prices and their keys."""

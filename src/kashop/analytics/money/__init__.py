"""What must be true of receipts, attempts and gateway accounts."""

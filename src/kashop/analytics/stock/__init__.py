"""What must be true of codes, holds and counts."""

"""What must be true of statements and differences."""

"""What must be true of the vault's seals."""

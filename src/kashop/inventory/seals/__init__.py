"""The codes as a rotation sees them: which are not under their product's newest key, and how seals are exchanged."""

"""Finding events again: by who did them, to what, when and of which kind."""

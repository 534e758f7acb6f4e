"""What must be true of the events, and of the histories that they tell."""

"""What may be done with a whole import afterwards: edit what is noted of it, and take it back while nothing of it is sold."""

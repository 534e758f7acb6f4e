"""Other shops beside ours on one machine. Nothing of theirs is in this repository: a checkout is named on the command line."""

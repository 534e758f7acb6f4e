"""`make bench`: the shop's own speed beside the bare framework's, on one machine in one run, so that the ratio travels."""

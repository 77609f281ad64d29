"""Measurements: this service beside its ceiling and beside its peers, in one run. `make bench`."""

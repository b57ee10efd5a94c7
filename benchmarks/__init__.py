"""epochal beside its peers: one script a workload, all of them by `make bench`."""

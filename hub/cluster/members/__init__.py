"""Which nodes form the cluster: leases, the members, and where keys are placed."""

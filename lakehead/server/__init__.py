"""SQL over the network, for strangers: each query in a process that can be killed."""

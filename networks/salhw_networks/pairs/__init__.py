"""Two reciprocally connected neurons: what SAL does with the weights of a pair, and why."""

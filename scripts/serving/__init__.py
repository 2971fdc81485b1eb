"""A graph on the network: HTTP, its limits, batches of what comes at once, the page."""

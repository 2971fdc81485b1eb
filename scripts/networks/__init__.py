"""The pretrained networks: the table of them, getting them, loading them."""

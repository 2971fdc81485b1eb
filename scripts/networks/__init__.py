"""Pretrained networks: their registry, downloading and loading them."""

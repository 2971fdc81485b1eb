"""The embedded default: a small pretrained network and drawn photos, and what makes them."""

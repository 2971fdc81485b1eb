"""A trained graph as other tools take it."""

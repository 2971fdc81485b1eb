"""A finished graph labels photos; how labels are printed."""

"""Bytes become pixels: the one way that training, evaluation and labelling share."""

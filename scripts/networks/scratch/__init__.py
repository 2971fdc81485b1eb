"""Networks that are trained from random weights: each is one function in a file of its own."""

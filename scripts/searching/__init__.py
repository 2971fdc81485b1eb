"""Searches for the best model within a time: trials, their cost, the study that keeps them."""

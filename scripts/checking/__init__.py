"""What may be wrong with a set of photos: photos that are there twice, and doubtful labels."""

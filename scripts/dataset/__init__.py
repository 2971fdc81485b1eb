"""A folder of photos becomes labels, lists and a split that stays. No TensorFlow here."""

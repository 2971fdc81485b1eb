"""What a network gives for photos, computed once and kept."""

"""`quadra bench`: what this machine does with Quadra, next to the limits measured in the same minutes."""

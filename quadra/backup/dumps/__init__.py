"""Each database's content as one stream, and back."""

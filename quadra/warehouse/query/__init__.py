"""Ask segments and fresh rows at once, as of one moment and within bounds."""

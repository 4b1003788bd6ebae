"""What a sweep consists of: axes, filters, points and their identity."""

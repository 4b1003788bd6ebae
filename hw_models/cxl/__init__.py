"""CXL.mem as a protocol: messages, the flits that carry them, lanes, and what is left for data."""

"""What systems share that gather many sequences: weights, keys and values in host memory, and micro-batches."""

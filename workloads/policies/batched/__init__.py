"""Systems that gather many sequences and stream weights past them, on the GPU alone or with the CPU."""

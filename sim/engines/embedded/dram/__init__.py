"""What happens in a memory of known DRAM: rows and refreshes, and what is left where several accesses meet."""

"""Of runs, several runs, and stores of them."""

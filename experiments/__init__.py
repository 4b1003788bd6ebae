"""One named experiment per file: every figure that is reproduced, and examples to start from."""

"""Kernel times of GPUs: by tiles (`tile`), and as measured where there are tables (`measured`)."""

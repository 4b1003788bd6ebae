"""How files are packed: archives of arrays, trees of tensors, lines of text, and these compressed."""

"""What the precision that a policy gives its experts costs a real model in accuracy."""

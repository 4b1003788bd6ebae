"""What the machine is made of: units, memories, links and switches, and how fast each is."""

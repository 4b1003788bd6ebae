"""``python -m moe_cosim``: the command line, where no script is installed."""

from moe_cosim.sim.cli.main import main

if __name__ == "__main__":
    main()

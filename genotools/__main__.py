"""``python -m genotools``: the program, where its script is not on the PATH."""

from genotools.cli.main import main

main()

"""Floor 5: the command line. One file per command or group: it parses, calls one library function, and prints.

Whatever a command needs is imported inside its function, since start-up is felt.
"""

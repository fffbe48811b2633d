"""The command line. One module a group of commands; what they do is elsewhere."""

"""Imported first by the process that commands are forked from: it is no interactive one.

DuckDB takes a main module without a file for a person at a prompt, and shows progress bars.
"""

import sys

sys.modules["__main__"].__file__ = __file__

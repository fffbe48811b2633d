"""Show what does not fit the screen in the person's pager, as git does."""

import contextlib
import os
import shlex
import subprocess

# Colours as they are; long lines are scrolled, not broken; the text stays when less is left.
_LESS = "-RSX"


def page(text: str) -> bool:
    """Show ``text`` by ``PAGER``, else by less; gives whether there was one to show it.

    An empty ``PAGER`` is none.
    """
    command = shlex.split(os.environ.get("PAGER", "less"))
    if not command:
        return False
    environment = {"LESS": _LESS, **os.environ}
    try:
        process = subprocess.Popen(command, stdin=subprocess.PIPE, env=environment)
    except OSError:
        return False
    assert process.stdin
    # Who has seen enough closes the pipe; Ctrl-C is the pager's, which may search or follow.
    with contextlib.suppress(BrokenPipeError, KeyboardInterrupt):
        process.stdin.write(text.encode())
    with contextlib.suppress(BrokenPipeError):
        process.stdin.close()
    while process.poll() is None:
        with contextlib.suppress(KeyboardInterrupt):
            process.wait()
    return True

# SPDX-License-Identifier: LGPL-2.1-or-later
"""The master's side of a terminal that a program under test runs on."""
import errno
import os


def read(fd):
    """What it shows next, waiting for it; b"" once the program has let go of it and nothing is left."""
    # Linux looks for text first and whether the other side closed it next (n_tty_read, EIO): last words written in between are found only by
    # those who ask again.
    for _ in range(2):
        try:
            data = os.read(fd, 65536)
        except OSError as error:
            # Not the test's own TimeoutError, which is one, too.
            if error.errno != errno.EIO:
                raise
            data = b""
        if data:
            return data
    return b""


def read_to_end(fd):
    """All of the rest; closes it."""
    text = b""
    while data := read(fd):
        text += data
    os.close(fd)
    return text

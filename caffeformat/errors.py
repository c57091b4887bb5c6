"""Errors that are written for the person who runs a command.

Commands print the message of an `InputError` without a traceback and end with status 1; everything
else is a fault of this project and keeps its traceback.
"""


class InputError(Exception):
    """Something handed to us cannot be used.

    The message names the file or layer, what was found, what was expected and what to do.
    """


class FormatError(InputError):
    """A file is not what its name or place promises.

    Attributes: `source` (path or a name such as `<text>`), `line` and `column` (from 1, or None),
    and `problem`, the message without them.
    """

    def __init__(self, source, problem, line=None, column=None):
        self.source, self.line, self.column = str(source), line, column
        self.problem = problem
        place = self.source
        if line is not None:
            place += f":{line}" + (f":{column}" if column is not None else "")
        super().__init__(f"{place}: {problem}")

    def __reduce__(self):
        # Without it, what a worker process raises could not be read by the one that waits for it.
        return type(self), (self.source, self.problem, self.line, self.column)

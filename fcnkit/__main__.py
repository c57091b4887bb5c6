"""`python -m fcnkit COMMAND ...`: the same as `fcnkit COMMAND ...`.

Python itself looks for it in the working folder first; there, use `fcnkit`, or `python -P -m
fcnkit`.
"""

import sys

from caffeformat.processes import forget_working_folder

if __name__ == "__main__":
    forget_working_folder()

from fcnkit.commands.main import main

if __name__ == "__main__":
    sys.exit(main())

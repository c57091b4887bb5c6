"""`python -m fcnkit COMMAND ...`: the same as `fcnkit COMMAND ...`."""

import sys

from fcnkit.commands.main import main

sys.exit(main())

"""Which function builds which layer type."""

BUILDERS = {}


def builds(*types):
    """Decorator: this function builds layers of `types`."""

    def enter(function):
        BUILDERS.update(dict.fromkeys(types, function))
        return function

    return enter

"""Which function converts which layer type."""

CONVERTERS = {}


def converts(*types):
    """Decorator: this function converts layers of `types`."""

    def enter(function):
        CONVERTERS.update(dict.fromkeys(types, function))
        return function

    return enter

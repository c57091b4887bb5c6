"""The parameters of a net: who owns them, who shares them, and how fast they learn."""

from caffeformat import InputError, pb

_PERMISSIVE = pb.ParamSpec.PERMISSIVE


class LearnableParam:
    """A parameter with an owner: its Blob, `lr_mult`, `decay_mult` and where it was declared."""

    __slots__ = ("blob", "decay_mult", "index", "layer_name", "lr_mult", "stated")

    def __init__(self, blob, layer_name, index):
        self.blob, self.layer_name, self.index = blob, layer_name, index
        self.lr_mult = self.decay_mult = 1.0
        self.stated = set()

    def state(self, spec, layer_name):
        """Take the multipliers that `spec` states; refuse others than those stated before."""
        for field in ("lr_mult", "decay_mult"):
            if not spec.HasField(field):
                continue
            value = getattr(spec, field)
            if field in self.stated and value != getattr(self, field):
                raise InputError(
                    f'layers "{self.layer_name}" and "{layer_name}" share the parameter '
                    f'"{spec.name}" but state different {field}: {getattr(self, field):g} and '
                    f"{value:g}; state it once, or the same."
                )
            setattr(self, field, value)
            self.stated.add(field)


class ParamRegister:
    """Collects the parameters of a net's layers, in order, and joins those of one name.

    `learnable` lists the owners' LearnableParams.
    """

    def __init__(self):
        self.learnable = []
        self._named = {}

    def add(self, layer, index, blob, learned=True):
        """Enter parameter `index` of `layer`, held in `blob`.

        Returns the Blob to use (another's, where the parameter is shared) and whether its gradient
        is wanted. Raises `InputError` where a shared parameter has another shape.
        """
        specs = layer.proto.param
        spec = specs[index] if index < len(specs) else pb.ParamSpec()
        owner = self._named.get(spec.name) if spec.name else None
        if owner is None:
            owner = LearnableParam(blob, layer.name, index)
            self.learnable.append(owner)
            if spec.name:
                self._named[spec.name] = owner
        else:
            blob = self._shared(owner, layer, spec, blob)
        owner.state(spec, layer.name)
        if not learned:
            owner.lr_mult = 0.0
        return blob, learned and spec.lr_mult != 0

    @staticmethod
    def _shared(owner, layer, spec, blob):
        if blob.shape == owner.blob.shape:
            return owner.blob
        if spec.share_mode == _PERMISSIVE and blob.count == owner.blob.count:
            blob.share(owner.blob)
            return blob
        needed = "number of values" if spec.share_mode == _PERMISSIVE else "shape"
        raise InputError(
            f'layer "{layer.name}" shares the parameter "{spec.name}" of layer '
            f'"{owner.layer_name}", but not its {needed}: {blob.shape} here, {owner.blob.shape} '
            "there."
        )

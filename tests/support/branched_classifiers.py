"""Random classifiers with branches: inceptions, residual blocks, depthwise and grouped kernels.

Branches of one module lie together, as those of published classifiers do: kernels that pad by p
have e + 2 p pixels, with the same e in all of them. Where a pooling rounds up, the classifier's
image has a size at which branches fit; those of other images may not.
"""

from caffeformat import InputError, NetSpec, infer_shapes
from caffeformat import layers as L
from caffeformat import params as P


def branched_classifier(random):
    """A `NetParameter` for images of one channel: up to four modules of random kinds."""
    while True:
        net = _Builder(random).build()
        if _fit(net):
            return net


def _fit(net):
    """Give the image the smallest size that all layers take; False where there is none.

    Of poolings, only those behind all branches see everything.
    """
    windows = [
        layer.top[0]
        for layer in net.layer
        if layer.type == "Pooling" and not layer.pooling_param.global_pooling
    ]
    for size in range(1, 200):
        net.layer[0].input_param.shape[0].dim[2:] = [size, size]
        try:
            shapes = infer_shapes(net)
        except InputError:
            continue
        if all(shapes[blob][2] > 1 for blob in windows):
            return True
    return False


class _Builder:
    """Adds layers to the net spec `n`; `top` is what the next module reads."""

    def __init__(self, random):
        self.random, self.n, self.count = random, NetSpec(), 0
        self.n.data = self.top = L.Input(shape={"dim": [1, 1, 1, 1]})
        self.channels, self.stride = 1, 1

    def build(self):
        random = self.random
        kernel = random.randint(1, 6)
        self.top = self.conv(self.top, 2, kernel, self.step(), random.randint(0, kernel))
        self.channels = 2
        modules = [self.inception, self.residual, self.depthwise]
        for _ in range(random.randint(1, 5)):
            modules[random.randint(len(modules))]()
        if random.rand() < 0.6:
            self.top = self.add(L.Pooling(self.top, pool=P.Pooling.AVE, global_pooling=True))
        self.n.fc = L.InnerProduct(self.top, num_output=7)
        return self.n.to_proto()

    def step(self):
        """A stride, as long as all of them together stay small."""
        step = int(self.random.choice([1, 2, 2, 3])) if self.stride <= 6 else 1
        self.stride *= step
        return step

    def add(self, made):
        self.count += 1
        self.n[f"layer{self.count}"] = made
        return made

    def conv(self, bottom, outputs, kernel, stride=1, pad=0, **more):
        settings = {"num_output": outputs, "kernel_size": kernel, "stride": stride, "pad": pad}
        top = self.add(L.Convolution(bottom, **settings, **more))
        return self.add(L.ReLU(top, in_place=True)) if self.random.rand() < 0.2 else top

    def inception(self):
        """Branches side by side, which all stride, or none of them does."""
        random, stride = self.random, self.step()
        even = int(random.choice([1, 1, 2, 3]))
        tops = [
            self.branch(stride, even, random.randint(0, 3)) for _ in range(random.randint(2, 5))
        ]
        self.top = self.add(L.Concat(*tops))
        self.channels = 2 * len(tops)

    def branch(self, stride, even, pad):
        """Two channels of a kernel, of two behind one another, or of a pooling; e + 2 p pixels."""
        random, kernel = self.random, even + 2 * pad
        kinds = ["one", "two", "flat", "dilated", "pooling"]
        # Strides and rounding: where branches differ in size on some images.
        kind = random.choice(kinds + ["pooling"] * 3 if stride > 1 else kinds)
        # What a pooling without a centre sees moves when convolutions beside it are dilated.
        if kind == "pooling" and even != 2 and pad < kernel:
            window = {"kernel_size": kernel, "stride": stride, "pad": pad}
            window["round_mode"] = random.randint(2)
            pooled = self.add(L.Pooling(self.top, pool=P.Pooling.AVE, **window))
            return self.conv(pooled, 2, 1)
        narrow = self.conv(self.top, 2, 1)
        if kind == "two":
            return self.conv(self.conv(narrow, 3, 3, pad=1), 2, kernel, stride, pad)
        if kind == "flat" and stride == 1:
            tall = {"kernel_h": kernel, "kernel_w": 1, "pad_h": pad, "pad_w": 0}
            wide = {"kernel_h": 1, "kernel_w": kernel, "pad_h": 0, "pad_w": pad}
            narrow = self.add(L.Convolution(narrow, num_output=2, **tall))
            return self.add(L.Convolution(narrow, num_output=2, **wide))
        if kind == "dilated" and even == 1:
            return self.conv(narrow, 2, 3, stride, pad=2, dilation=2)
        return self.conv(narrow, 2, kernel, stride, pad)

    def residual(self):
        """The mean of a block and of its bottom, or of a 1x1 projection of that."""
        random, stride = self.random, self.step()
        early, late = random.permutation([1, stride])
        pad = random.randint(0, 3)
        block = self.conv(self.top, 2, 1, int(early))
        block = self.conv(block, self.channels, 1 + 2 * pad, int(late), pad)
        shortcut = self.top
        if stride > 1 or random.rand() < 0.3:
            shortcut = self.conv(shortcut, self.channels, 1, stride)
        self.top = self.add(L.Eltwise(block, shortcut, coeff=[0.5, 0.5]))

    def depthwise(self):
        """As MobileNet's: a kernel for each channel (or half of them), then all by 1x1."""
        random = self.random
        kernel = random.randint(1, 6)
        group = self.channels if random.rand() < 0.7 or self.channels % 2 else 2
        pad, stride = random.randint(0, kernel), self.step()
        top = self.conv(self.top, self.channels, kernel, stride, pad, group=group)
        self.top, self.channels = self.conv(top, 4, 1), 4

"""The networks of GluonCV's and MindSpore's tutorials with their module names, in narrow widths."""

import torch
import torch_classifiers
from torch import nn
from torch.nn import functional


def _head(inputs, width, classes, bias=False):
    block = nn.Sequential(
        nn.Conv2d(inputs, width, 3, padding=1, bias=bias), nn.BatchNorm2d(width),
        nn.ReLU(), nn.Dropout(0.1), nn.Conv2d(width, classes, 1),
    )  # fmt: skip
    return nn.ModuleDict({"block": block})


class GluonFCN(torch_classifiers.ResNet):
    """An FCN on ResNet v1s, or on v1b as in gluoncv 0.2."""

    def __init__(self, depths=(1, 2, 2, 2), classes=6, v1b=False):
        super().__init__(depths)
        del self.fc
        if not v1b:
            self.conv1 = nn.Sequential(
                nn.Conv2d(3, 5, 3, 2, 1, bias=False), nn.BatchNorm2d(5), nn.ReLU(),
                nn.Conv2d(5, 5, 3, 1, 1, bias=False), nn.BatchNorm2d(5), nn.ReLU(),
                nn.Conv2d(5, 4, 3, 1, 1, bias=False),
            )  # fmt: skip
        for stage, dilation in ((self.layer3, 2), (self.layer4, 4)):
            for number, block in enumerate(stage):
                steps = dilation if number else dilation // 2
                block.conv2.stride = 1, 1
                block.conv2.dilation = block.conv2.padding = steps, steps
            stage[0].downsample[0].stride = 1, 1
        self.channels = self.layer4[-1].conv3.out_channels
        self.head = self.made_head(classes, v1b)
        self.auxlayer = _head(self.channels // 2, 3, classes, v1b)

    def made_head(self, classes, bias):
        return _head(self.channels, 7, classes, bias)

    def forward(self, x):
        scores = self.scores(self.features(x))
        return functional.interpolate(scores, size=x.shape[2:], mode="bilinear", align_corners=True)

    def scores(self, features):
        return self.head["block"](features)


class GluonPSPNet(GluonFCN):
    def made_head(self, classes, bias):
        head = _head(self.channels * 2, 7, classes, bias)
        quarter = self.channels // 4
        head["psp"] = nn.ModuleDict(
            {
                f"conv{number}": nn.Sequential(
                    nn.Conv2d(self.channels, quarter, 1, bias=False),
                    nn.BatchNorm2d(quarter),
                    nn.ReLU(),
                )
                for number in range(1, 5)
            }
        )
        return head

    def scores(self, features):
        levels, size = [features], features.shape[2:]
        for number, parts in enumerate((1, 2, 3, 6), 1):
            level = functional.adaptive_avg_pool2d(features, parts)
            level = self.head["psp"][f"conv{number}"](level)
            levels.append(
                functional.interpolate(level, size=size, mode="bilinear", align_corners=True)
            )
        return self.head["block"](torch.cat(levels, 1))


class MindSporeFCN8s(nn.Module):
    def __init__(self, widths=(4, 5, 6, 5, 7), fully_connected=9, classes=6):
        super().__init__()
        inputs = 3
        for number, (width, count) in enumerate(zip(widths, (2, 2, 3, 3, 3)), 1):
            layers = []
            for _ in range(count):
                layers += self.unit(inputs, width, 3)
                inputs = width
            self.add_module(f"conv{number}", nn.Sequential(*layers))
        self.conv6 = nn.Sequential(*self.unit(inputs, fully_connected, 7))
        self.conv7 = nn.Sequential(*self.unit(fully_connected, fully_connected, 1))
        self.score_fr = nn.Conv2d(fully_connected, classes, 1, bias=False)
        self.score_pool4 = nn.Conv2d(widths[3], classes, 1, bias=False)
        self.score_pool3 = nn.Conv2d(widths[2], classes, 1, bias=False)
        for name, factor in (("upscore2", 2), ("upscore_pool4", 2), ("upscore8", 8)):
            made = nn.ConvTranspose2d(classes, classes, 2 * factor, factor, factor // 2, bias=False)
            self.add_module(name, made)

    @staticmethod
    def unit(inputs, outputs, kernel):
        convolution = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]

    def trunk(self, x):
        pools = []
        for number in range(1, 6):
            x = functional.max_pool2d(getattr(self, f"conv{number}")(x), 2, 2)
            pools.append(x)
        return pools

    def forward(self, x):
        *_, pool3, pool4, pool5 = self.trunk(x)
        top = self.upscore2(self.score_fr(self.conv7(self.conv6(pool5))))
        top = self.upscore_pool4(top + self.score_pool4(pool4))
        return self.upscore8(top + self.score_pool3(pool3))


_PARTS = {
    "gluon": {"weight": "gamma", "bias": "beta"},
    "mindspore": {
        "weight": "gamma",
        "bias": "beta",
        "running_mean": "moving_mean",
        "running_var": "moving_variance",
    },
}


def tensors(model, framework):
    """The arrays of `model` under the names that `framework` gives the parts of a BatchNorm."""
    found = {}
    for name, module in model.named_modules():
        parts = dict(module.named_parameters(recurse=False))
        renamed = {}
        if isinstance(module, nn.BatchNorm2d):
            parts.update(running_mean=module.running_mean, running_var=module.running_var)
            renamed = _PARTS[framework]
        for part, tensor in parts.items():
            found[f"{name}.{renamed.get(part, part)}"] = tensor.detach().numpy()
    return found

"""Classifiers with torchvision's module names and geometry, in widths that compute at once."""

import torch
from torch import nn


class AlexNet(nn.Module):
    def __init__(self, classes=7):
        super().__init__()
        relu, pool = nn.ReLU, lambda: nn.MaxPool2d(3, 2)
        self.features = nn.Sequential(
            nn.Conv2d(3, 6, 11, 4, 2), relu(), pool(),
            nn.Conv2d(6, 8, 5, padding=2), relu(), pool(),
            nn.Conv2d(8, 9, 3, padding=1), relu(),
            nn.Conv2d(9, 8, 3, padding=1), relu(),
            nn.Conv2d(8, 8, 3, padding=1), relu(), pool(),
        )  # fmt: skip
        self.avgpool = nn.AdaptiveAvgPool2d(6)
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Linear(8 * 36, 12), relu(),
            nn.Dropout(), nn.Linear(12, 11), relu(), nn.Linear(11, classes),
        )  # fmt: skip

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class VGG(nn.Module):
    def __init__(self, normalized, stages=((4, 4), (5, 5), (6,), (6,), (7, 7)), classes=6):
        super().__init__()
        layers, channels = [], 3
        for stage in stages:
            for width in stage:
                layers.append(nn.Conv2d(channels, width, 3, padding=1))
                layers += [nn.BatchNorm2d(width)] * normalized + [nn.ReLU()]
                channels = width
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(7)
        self.classifier = nn.Sequential(
            nn.Linear(channels * 49, 10), nn.ReLU(), nn.Dropout(),
            nn.Linear(10, 9), nn.ReLU(), nn.Dropout(), nn.Linear(9, classes),
        )  # fmt: skip

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


class _Residual(nn.Module):
    def __init__(self, inputs, width, stride, bottleneck, groups):
        super().__init__()
        kernels = (1, 3, 1) if bottleneck else (3, 3)
        outputs = width * 4 if bottleneck else width
        self.count, channels = len(kernels), inputs
        for number, kernel in enumerate(kernels, 1):
            last = number == self.count
            steps = stride if number == self.count - 1 else 1
            grouped = groups if bottleneck and kernel == 3 else 1
            made = nn.Conv2d(
                channels, outputs if last else width, kernel, steps, kernel // 2,
                groups=grouped, bias=False,
            )  # fmt: skip
            channels = made.out_channels
            self.add_module(f"conv{number}", made)
            self.add_module(f"bn{number}", nn.BatchNorm2d(channels))
        self.downsample = None
        if stride != 1 or inputs != outputs:
            self.downsample = nn.Sequential(
                nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs)
            )

    def forward(self, x):
        y = x
        for number in range(1, self.count + 1):
            y = getattr(self, f"bn{number}")(getattr(self, f"conv{number}")(y))
            y = y if number == self.count else torch.relu(y)
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet(nn.Module):
    def __init__(self, depths=(2, 1, 2, 1), bottleneck=True, groups=1, classes=5):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(4)
        channels = 4
        for stage, depth in enumerate(depths, 1):
            blocks, width = [], 2 << stage
            for block in range(depth):
                stride = 2 if stage > 1 and block == 0 else 1
                blocks.append(_Residual(channels, width, stride, bottleneck, groups))
                channels = width * (4 if bottleneck else 1)
            self.add_module(f"layer{stage}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, classes)

    def features(self, x):
        x = nn.functional.max_pool2d(torch.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        for stage in range(1, 5):
            x = getattr(self, f"layer{stage}")(x)
        return x

    def forward(self, x):
        return self.fc(self.features(x).mean((2, 3)))


class FCN(nn.Module):
    """torchvision's fcn_resnet: stages 3 and 4 dilated, a head, and one more for training."""

    def __init__(self, classes=6):
        super().__init__()
        self.backbone = ResNet((1, 2, 2, 2))
        for stage, dilation in ((self.backbone.layer3, 2), (self.backbone.layer4, 4)):
            for number, block in enumerate(stage):
                steps = dilation if number else dilation // 2
                block.conv2.stride = 1, 1
                block.conv2.dilation = block.conv2.padding = steps, steps
            stage[0].downsample[0].stride = 1, 1
        channels = self.backbone.fc.in_features
        self.backbone.fc = nn.Identity()
        self.classifier = self.head(channels, classes)
        self.aux_classifier = self.head(channels // 2, classes)

    @staticmethod
    def head(channels, classes):
        width = channels // 4
        return nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1, bias=False), nn.BatchNorm2d(width),
            nn.ReLU(), nn.Dropout(0.1), nn.Conv2d(width, classes, 1),
        )  # fmt: skip

    def forward(self, x):
        scores = self.classifier(self.backbone.features(x))
        return nn.functional.interpolate(
            scores, size=x.shape[2:], mode="bilinear", align_corners=False
        )


class _Fire(nn.Module):
    def __init__(self, inputs, squeezed, expanded):
        super().__init__()
        self.squeeze = nn.Conv2d(inputs, squeezed, 1)
        self.expand1x1 = nn.Conv2d(squeezed, expanded, 1)
        self.expand3x3 = nn.Conv2d(squeezed, expanded, 3, padding=1)

    def forward(self, x):
        x = torch.relu(self.squeeze(x))
        return torch.cat([torch.relu(self.expand1x1(x)), torch.relu(self.expand3x3(x))], 1)


class SqueezeNet(nn.Module):
    """Release 1.0 or 1.1: which differ in the first kernel and in where the poolings are."""

    def __init__(self, release, classes=5):
        super().__init__()
        order = {"1.0": "pfffpffffpf", "1.1": "pffpffpffff"}[release]
        kernel = {"1.0": 7, "1.1": 3}[release]
        layers, channels = [nn.Conv2d(3, 6, kernel, 2), nn.ReLU()], 6
        for kind in order:
            if kind == "f":
                layers.append(_Fire(channels, 3, 4))
                channels = 8
            else:
                layers.append(nn.MaxPool2d(3, 2, ceil_mode=True))
        self.features = nn.Sequential(*layers)
        self.classifier = nn.Sequential(
            nn.Dropout(), nn.Conv2d(channels, classes, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1)
        )

    def forward(self, x):
        return self.classifier(self.features(x)).flatten(1)


class _Normalized(nn.Module):
    def __init__(self, inputs, outputs, kernel, stride=1):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=0.001)

    def forward(self, x):
        return torch.relu(self.bn(self.conv(x)))


class _Inception(nn.Module):
    outputs = 2 + 4 + 3 + 3

    def __init__(self, inputs):
        super().__init__()
        pool = nn.MaxPool2d(3, 1, 1, ceil_mode=True)
        self.branch1 = _Normalized(inputs, 2, 1)
        self.branch2 = nn.Sequential(_Normalized(inputs, 3, 1), _Normalized(3, 4, 3))
        self.branch3 = nn.Sequential(_Normalized(inputs, 2, 1), _Normalized(2, 3, 3))
        self.branch4 = nn.Sequential(pool, _Normalized(inputs, 3, 1))

    def forward(self, x):
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return torch.cat([branch(x) for branch in branches], 1)


class GoogLeNet(nn.Module):
    """With `transform_input`, as torchvision's published weights were trained, and a spare head."""

    def __init__(self, classes=5):
        super().__init__()
        self.conv1, self.conv2 = _Normalized(3, 4, 7, 2), _Normalized(4, 4, 1)
        self.conv3, channels = _Normalized(4, 6, 3), 6
        for name in ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b"):
            self.add_module(f"inception{name}", _Inception(channels))
            channels = _Inception.outputs
        self.aux1 = nn.Sequential(_Normalized(channels, 4, 1))
        self.fc = nn.Linear(channels, classes)

    def forward(self, x):
        mean, std = (
            torch.tensor(values)[:, None, None]
            for values in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
        )
        x = (x * std + mean - 0.5) / 0.5

        def pool(x, kernel):
            return nn.functional.max_pool2d(x, kernel, 2, ceil_mode=True)

        x = self.conv3(self.conv2(pool(self.conv1(x), 3)))
        x = pool(self.inception3b(self.inception3a(pool(x, 3))), 3)
        for name in "abcde":
            x = getattr(self, f"inception4{name}")(x)
        x = self.inception5b(self.inception5a(pool(x, 2)))
        return self.fc(x.mean((2, 3)))


def randomize(model, seed=0):
    """Give every parameter and statistic a value that shows; returns the model, for inference."""
    torch.manual_seed(seed)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.normal_(module.bias, 0, 0.3)
        elif isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                nn.init.normal_(module.bias, 0, 0.2)
    return model.eval()

"""Types of Caffe's messages and of those that public forks add.

Written by `docs/make_pb_stub.py`; a test fails when it is not current.
"""

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from google.protobuf.descriptor import Descriptor
from google.protobuf.internal.containers import (
    RepeatedCompositeFieldContainer as _Messages,
)
from google.protobuf.internal.containers import (
    RepeatedScalarFieldContainer as _Scalars,
)
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message import Message

_Dict = Mapping[str, Any]

TRAIN: int
TEST: int
DOUBLE: int
FLOAT: int
FLOAT16: int
INT: int
UINT: int
BOOL: int
NCHW: int
NHWC: int
DatumTypeInfo_DATUM: int
DatumTypeInfo_ANNOTATED_DATUM: int

class BlobShape(Message):
    DESCRIPTOR: Descriptor
    @property
    def dim(self) -> _Scalars[int]: ...
    def __init__(
        self,
        *,
        dim: Iterable[int] | None = None,
    ) -> None: ...

class BlobProto(Message):
    DESCRIPTOR: Descriptor
    @property
    def shape(self) -> BlobShape: ...
    @property
    def data(self) -> _Scalars[float]: ...
    @property
    def diff(self) -> _Scalars[float]: ...
    @property
    def double_data(self) -> _Scalars[float]: ...
    @property
    def double_diff(self) -> _Scalars[float]: ...
    num: int
    channels: int
    height: int
    width: int
    raw_data_type: int
    raw_diff_type: int
    raw_data: bytes
    raw_diff: bytes
    def __init__(
        self,
        *,
        shape: BlobShape | _Dict | None = None,
        data: Iterable[float] | None = None,
        diff: Iterable[float] | None = None,
        double_data: Iterable[float] | None = None,
        double_diff: Iterable[float] | None = None,
        num: int | None = None,
        channels: int | None = None,
        height: int | None = None,
        width: int | None = None,
        raw_data_type: int | str | None = None,
        raw_diff_type: int | str | None = None,
        raw_data: bytes | None = None,
        raw_diff: bytes | None = None,
    ) -> None: ...

class BlobProtoVector(Message):
    DESCRIPTOR: Descriptor
    @property
    def blobs(self) -> _Messages[BlobProto]: ...
    def __init__(
        self,
        *,
        blobs: Iterable[BlobProto | _Dict] | None = None,
    ) -> None: ...

class Datum(Message):
    DESCRIPTOR: Descriptor
    channels: int
    height: int
    width: int
    data: bytes
    label: int
    @property
    def float_data(self) -> _Scalars[float]: ...
    encoded: bool
    record_id: int
    def __init__(
        self,
        *,
        channels: int | None = None,
        height: int | None = None,
        width: int | None = None,
        data: bytes | None = None,
        label: int | None = None,
        float_data: Iterable[float] | None = None,
        encoded: bool | None = None,
        record_id: int | None = None,
    ) -> None: ...

class FillerParameter(Message):
    DESCRIPTOR: Descriptor
    VarianceNorm: ClassVar[EnumTypeWrapper]
    FAN_IN: ClassVar[int]
    FAN_OUT: ClassVar[int]
    AVERAGE: ClassVar[int]
    type: str
    value: float
    min: float
    max: float
    mean: float
    std: float
    sparse: int
    variance_norm: int
    def __init__(
        self,
        *,
        type: str | None = None,
        value: float | None = None,
        min: float | None = None,
        max: float | None = None,
        mean: float | None = None,
        std: float | None = None,
        sparse: int | None = None,
        variance_norm: int | str | None = None,
    ) -> None: ...

class NetParameter(Message):
    DESCRIPTOR: Descriptor
    name: str
    @property
    def input(self) -> _Scalars[str]: ...
    @property
    def input_shape(self) -> _Messages[BlobShape]: ...
    @property
    def input_dim(self) -> _Scalars[int]: ...
    force_backward: bool
    @property
    def state(self) -> NetState: ...
    debug_info: bool
    @property
    def layer(self) -> _Messages[LayerParameter]: ...
    @property
    def layers(self) -> _Messages[V1LayerParameter]: ...
    default_forward_type: int
    default_backward_type: int
    default_forward_math: int
    default_backward_math: int
    global_grad_scale: float
    global_grad_scale_adaptive: bool
    default_conv_algos_override: str
    reduce_buckets: int
    default_cudnn_math_override: int
    eltwise_mem_sharing: bool
    def __init__(
        self,
        *,
        name: str | None = None,
        input: Iterable[str] | None = None,
        input_shape: Iterable[BlobShape | _Dict] | None = None,
        input_dim: Iterable[int] | None = None,
        force_backward: bool | None = None,
        state: NetState | _Dict | None = None,
        debug_info: bool | None = None,
        layer: Iterable[LayerParameter | _Dict] | None = None,
        layers: Iterable[V1LayerParameter | _Dict] | None = None,
        default_forward_type: int | str | None = None,
        default_backward_type: int | str | None = None,
        default_forward_math: int | str | None = None,
        default_backward_math: int | str | None = None,
        global_grad_scale: float | None = None,
        global_grad_scale_adaptive: bool | None = None,
        default_conv_algos_override: str | None = None,
        reduce_buckets: int | None = None,
        default_cudnn_math_override: int | None = None,
        eltwise_mem_sharing: bool | None = None,
    ) -> None: ...

class SolverParameter(Message):
    DESCRIPTOR: Descriptor
    SnapshotFormat: ClassVar[EnumTypeWrapper]
    HDF5: ClassVar[int]
    BINARYPROTO: ClassVar[int]
    SolverMode: ClassVar[EnumTypeWrapper]
    CPU: ClassVar[int]
    GPU: ClassVar[int]
    SolverType: ClassVar[EnumTypeWrapper]
    SGD: ClassVar[int]
    NESTEROV: ClassVar[int]
    ADAGRAD: ClassVar[int]
    RMSPROP: ClassVar[int]
    ADADELTA: ClassVar[int]
    ADAM: ClassVar[int]
    SAG: ClassVar[int]
    net: str
    @property
    def net_param(self) -> NetParameter: ...
    train_net: str
    @property
    def test_net(self) -> _Scalars[str]: ...
    @property
    def train_net_param(self) -> NetParameter: ...
    @property
    def test_net_param(self) -> _Messages[NetParameter]: ...
    @property
    def train_state(self) -> NetState: ...
    @property
    def test_state(self) -> _Messages[NetState]: ...
    @property
    def test_iter(self) -> _Scalars[int]: ...
    test_interval: int
    test_compute_loss: bool
    test_initialization: bool
    base_lr: float
    display: int
    average_loss: int
    max_iter: int
    iter_size: int
    lr_policy: str
    gamma: float
    power: float
    momentum: float
    weight_decay: float
    regularization_type: str
    stepsize: int
    @property
    def stepvalue(self) -> _Scalars[int]: ...
    clip_gradients: float
    snapshot: int
    snapshot_prefix: str
    snapshot_diff: bool
    snapshot_format: int
    solver_mode: int
    device_id: int
    random_seed: int
    type: str
    delta: float
    momentum2: float
    rms_decay: float
    debug_info: bool
    snapshot_after_train: bool
    solver_type: int
    layer_wise_reduce: bool
    @property
    def weights(self) -> _Scalars[str]: ...
    eval_type: str
    ap_version: str
    show_per_class_result: bool
    rampup_interval: int
    rampup_lr: float
    min_lr: float
    momentum_policy: str
    max_momentum: float
    momentum_power: float
    larc: bool
    larc_policy: str
    larc_eta: float
    larc_turbo: bool
    weight_decay_policy: str
    weight_decay_power: float
    max_weight_decay: float
    @property
    def plateau_winsize(self) -> _Scalars[int]: ...
    solver_data_type: int
    store_blobs_in_old_format: bool
    test_and_snapshot_last_epochs: int
    def __init__(
        self,
        *,
        net: str | None = None,
        net_param: NetParameter | _Dict | None = None,
        train_net: str | None = None,
        test_net: Iterable[str] | None = None,
        train_net_param: NetParameter | _Dict | None = None,
        test_net_param: Iterable[NetParameter | _Dict] | None = None,
        train_state: NetState | _Dict | None = None,
        test_state: Iterable[NetState | _Dict] | None = None,
        test_iter: Iterable[int] | None = None,
        test_interval: int | None = None,
        test_compute_loss: bool | None = None,
        test_initialization: bool | None = None,
        base_lr: float | None = None,
        display: int | None = None,
        average_loss: int | None = None,
        max_iter: int | None = None,
        iter_size: int | None = None,
        lr_policy: str | None = None,
        gamma: float | None = None,
        power: float | None = None,
        momentum: float | None = None,
        weight_decay: float | None = None,
        regularization_type: str | None = None,
        stepsize: int | None = None,
        stepvalue: Iterable[int] | None = None,
        clip_gradients: float | None = None,
        snapshot: int | None = None,
        snapshot_prefix: str | None = None,
        snapshot_diff: bool | None = None,
        snapshot_format: int | str | None = None,
        solver_mode: int | str | None = None,
        device_id: int | None = None,
        random_seed: int | None = None,
        type: str | None = None,
        delta: float | None = None,
        momentum2: float | None = None,
        rms_decay: float | None = None,
        debug_info: bool | None = None,
        snapshot_after_train: bool | None = None,
        solver_type: int | str | None = None,
        layer_wise_reduce: bool | None = None,
        weights: Iterable[str] | None = None,
        eval_type: str | None = None,
        ap_version: str | None = None,
        show_per_class_result: bool | None = None,
        rampup_interval: int | None = None,
        rampup_lr: float | None = None,
        min_lr: float | None = None,
        momentum_policy: str | None = None,
        max_momentum: float | None = None,
        momentum_power: float | None = None,
        larc: bool | None = None,
        larc_policy: str | None = None,
        larc_eta: float | None = None,
        larc_turbo: bool | None = None,
        weight_decay_policy: str | None = None,
        weight_decay_power: float | None = None,
        max_weight_decay: float | None = None,
        plateau_winsize: Iterable[int] | None = None,
        solver_data_type: int | str | None = None,
        store_blobs_in_old_format: bool | None = None,
        test_and_snapshot_last_epochs: int | None = None,
    ) -> None: ...

class SolverState(Message):
    DESCRIPTOR: Descriptor
    iter: int
    learned_net: str
    @property
    def history(self) -> _Messages[BlobProto]: ...
    current_step: int
    minimum_loss: float
    iter_last_event: int
    def __init__(
        self,
        *,
        iter: int | None = None,
        learned_net: str | None = None,
        history: Iterable[BlobProto | _Dict] | None = None,
        current_step: int | None = None,
        minimum_loss: float | None = None,
        iter_last_event: int | None = None,
    ) -> None: ...

class NetState(Message):
    DESCRIPTOR: Descriptor
    phase: int
    level: int
    @property
    def stage(self) -> _Scalars[str]: ...
    def __init__(
        self,
        *,
        phase: int | str | None = None,
        level: int | None = None,
        stage: Iterable[str] | None = None,
    ) -> None: ...

class NetStateRule(Message):
    DESCRIPTOR: Descriptor
    phase: int
    min_level: int
    max_level: int
    @property
    def stage(self) -> _Scalars[str]: ...
    @property
    def not_stage(self) -> _Scalars[str]: ...
    def __init__(
        self,
        *,
        phase: int | str | None = None,
        min_level: int | None = None,
        max_level: int | None = None,
        stage: Iterable[str] | None = None,
        not_stage: Iterable[str] | None = None,
    ) -> None: ...

class ParamSpec(Message):
    DESCRIPTOR: Descriptor
    DimCheckMode: ClassVar[EnumTypeWrapper]
    STRICT: ClassVar[int]
    PERMISSIVE: ClassVar[int]
    name: str
    share_mode: int
    lr_mult: float
    decay_mult: float
    def __init__(
        self,
        *,
        name: str | None = None,
        share_mode: int | str | None = None,
        lr_mult: float | None = None,
        decay_mult: float | None = None,
    ) -> None: ...

class LayerParameter(Message):
    DESCRIPTOR: Descriptor
    name: str
    type: str
    @property
    def bottom(self) -> _Scalars[str]: ...
    @property
    def top(self) -> _Scalars[str]: ...
    phase: int
    @property
    def loss_weight(self) -> _Scalars[float]: ...
    @property
    def param(self) -> _Messages[ParamSpec]: ...
    @property
    def blobs(self) -> _Messages[BlobProto]: ...
    @property
    def propagate_down(self) -> _Scalars[bool]: ...
    @property
    def include(self) -> _Messages[NetStateRule]: ...
    @property
    def exclude(self) -> _Messages[NetStateRule]: ...
    @property
    def transform_param(self) -> TransformationParameter: ...
    @property
    def loss_param(self) -> LossParameter: ...
    @property
    def accuracy_param(self) -> AccuracyParameter: ...
    @property
    def argmax_param(self) -> ArgMaxParameter: ...
    @property
    def batch_norm_param(self) -> BatchNormParameter: ...
    @property
    def bias_param(self) -> BiasParameter: ...
    @property
    def clip_param(self) -> ClipParameter: ...
    @property
    def concat_param(self) -> ConcatParameter: ...
    @property
    def contrastive_loss_param(self) -> ContrastiveLossParameter: ...
    @property
    def convolution_param(self) -> ConvolutionParameter: ...
    @property
    def crop_param(self) -> CropParameter: ...
    @property
    def data_param(self) -> DataParameter: ...
    @property
    def dropout_param(self) -> DropoutParameter: ...
    @property
    def dummy_data_param(self) -> DummyDataParameter: ...
    @property
    def eltwise_param(self) -> EltwiseParameter: ...
    @property
    def elu_param(self) -> ELUParameter: ...
    @property
    def embed_param(self) -> EmbedParameter: ...
    @property
    def exp_param(self) -> ExpParameter: ...
    @property
    def flatten_param(self) -> FlattenParameter: ...
    @property
    def hdf5_data_param(self) -> HDF5DataParameter: ...
    @property
    def hdf5_output_param(self) -> HDF5OutputParameter: ...
    @property
    def hinge_loss_param(self) -> HingeLossParameter: ...
    @property
    def image_data_param(self) -> ImageDataParameter: ...
    @property
    def infogain_loss_param(self) -> InfogainLossParameter: ...
    @property
    def inner_product_param(self) -> InnerProductParameter: ...
    @property
    def input_param(self) -> InputParameter: ...
    @property
    def log_param(self) -> LogParameter: ...
    @property
    def lrn_param(self) -> LRNParameter: ...
    @property
    def memory_data_param(self) -> MemoryDataParameter: ...
    @property
    def mvn_param(self) -> MVNParameter: ...
    @property
    def parameter_param(self) -> ParameterParameter: ...
    @property
    def pooling_param(self) -> PoolingParameter: ...
    @property
    def power_param(self) -> PowerParameter: ...
    @property
    def prelu_param(self) -> PReLUParameter: ...
    @property
    def python_param(self) -> PythonParameter: ...
    @property
    def recurrent_param(self) -> RecurrentParameter: ...
    @property
    def reduction_param(self) -> ReductionParameter: ...
    @property
    def relu_param(self) -> ReLUParameter: ...
    @property
    def reshape_param(self) -> ReshapeParameter: ...
    @property
    def scale_param(self) -> ScaleParameter: ...
    @property
    def sigmoid_param(self) -> SigmoidParameter: ...
    @property
    def softmax_param(self) -> SoftmaxParameter: ...
    @property
    def spp_param(self) -> SPPParameter: ...
    @property
    def slice_param(self) -> SliceParameter: ...
    @property
    def swish_param(self) -> SwishParameter: ...
    @property
    def tanh_param(self) -> TanHParameter: ...
    @property
    def threshold_param(self) -> ThresholdParameter: ...
    @property
    def tile_param(self) -> TileParameter: ...
    @property
    def window_data_param(self) -> WindowDataParameter: ...
    @property
    def adaptive_bias_channel_param(self) -> AdaptiveBiasChannelParameter: ...
    @property
    def bias_channel_param(self) -> BiasChannelParameter: ...
    @property
    def dense_crf_param(self) -> DenseCRFParameter: ...
    @property
    def domain_transform_param(self) -> DomainTransformParameter: ...
    @property
    def interp_param(self) -> InterpParameter: ...
    @property
    def mat_read_param(self) -> MatReadParameter: ...
    @property
    def mat_write_param(self) -> MatWriteParameter: ...
    @property
    def seg_accuracy_param(self) -> SegAccuracyParameter: ...
    @property
    def unique_label_param(self) -> UniqueLabelParameter: ...
    forward_type: int
    backward_type: int
    forward_math: int
    backward_math: int
    debug: bool
    cudnn_math_override: int
    @property
    def annotated_data_param(self) -> AnnotatedDataParameter: ...
    @property
    def detection_evaluate_param(self) -> DetectionEvaluateParameter: ...
    @property
    def detection_output_param(self) -> DetectionOutputParameter: ...
    @property
    def multibox_loss_param(self) -> MultiBoxLossParameter: ...
    @property
    def norm_param(self) -> NormalizeParameter: ...
    @property
    def permute_param(self) -> PermuteParameter: ...
    @property
    def prior_box_param(self) -> PriorBoxParameter: ...
    @property
    def video_data_param(self) -> VideoDataParameter: ...
    @property
    def trt_param(self) -> TRTParameter: ...
    @property
    def detectnet_groundtruth_param(self) -> DetectNetGroundTruthParameter: ...
    @property
    def detectnet_augmentation_param(self) -> DetectNetAugmentationParameter: ...
    @property
    def bn_param(self) -> BNParameter: ...
    @property
    def dense_image_data_param(self) -> DenseImageDataParameter: ...
    @property
    def upsample_param(self) -> UpsampleParameter: ...
    strict_dim: bool
    @property
    def softmaxloss_param(self) -> SoftmaxLossParameter: ...
    def __init__(
        self,
        *,
        name: str | None = None,
        type: str | None = None,
        bottom: Iterable[str] | None = None,
        top: Iterable[str] | None = None,
        phase: int | str | None = None,
        loss_weight: Iterable[float] | None = None,
        param: Iterable[ParamSpec | _Dict] | None = None,
        blobs: Iterable[BlobProto | _Dict] | None = None,
        propagate_down: Iterable[bool] | None = None,
        include: Iterable[NetStateRule | _Dict] | None = None,
        exclude: Iterable[NetStateRule | _Dict] | None = None,
        transform_param: TransformationParameter | _Dict | None = None,
        loss_param: LossParameter | _Dict | None = None,
        accuracy_param: AccuracyParameter | _Dict | None = None,
        argmax_param: ArgMaxParameter | _Dict | None = None,
        batch_norm_param: BatchNormParameter | _Dict | None = None,
        bias_param: BiasParameter | _Dict | None = None,
        clip_param: ClipParameter | _Dict | None = None,
        concat_param: ConcatParameter | _Dict | None = None,
        contrastive_loss_param: ContrastiveLossParameter | _Dict | None = None,
        convolution_param: ConvolutionParameter | _Dict | None = None,
        crop_param: CropParameter | _Dict | None = None,
        data_param: DataParameter | _Dict | None = None,
        dropout_param: DropoutParameter | _Dict | None = None,
        dummy_data_param: DummyDataParameter | _Dict | None = None,
        eltwise_param: EltwiseParameter | _Dict | None = None,
        elu_param: ELUParameter | _Dict | None = None,
        embed_param: EmbedParameter | _Dict | None = None,
        exp_param: ExpParameter | _Dict | None = None,
        flatten_param: FlattenParameter | _Dict | None = None,
        hdf5_data_param: HDF5DataParameter | _Dict | None = None,
        hdf5_output_param: HDF5OutputParameter | _Dict | None = None,
        hinge_loss_param: HingeLossParameter | _Dict | None = None,
        image_data_param: ImageDataParameter | _Dict | None = None,
        infogain_loss_param: InfogainLossParameter | _Dict | None = None,
        inner_product_param: InnerProductParameter | _Dict | None = None,
        input_param: InputParameter | _Dict | None = None,
        log_param: LogParameter | _Dict | None = None,
        lrn_param: LRNParameter | _Dict | None = None,
        memory_data_param: MemoryDataParameter | _Dict | None = None,
        mvn_param: MVNParameter | _Dict | None = None,
        parameter_param: ParameterParameter | _Dict | None = None,
        pooling_param: PoolingParameter | _Dict | None = None,
        power_param: PowerParameter | _Dict | None = None,
        prelu_param: PReLUParameter | _Dict | None = None,
        python_param: PythonParameter | _Dict | None = None,
        recurrent_param: RecurrentParameter | _Dict | None = None,
        reduction_param: ReductionParameter | _Dict | None = None,
        relu_param: ReLUParameter | _Dict | None = None,
        reshape_param: ReshapeParameter | _Dict | None = None,
        scale_param: ScaleParameter | _Dict | None = None,
        sigmoid_param: SigmoidParameter | _Dict | None = None,
        softmax_param: SoftmaxParameter | _Dict | None = None,
        spp_param: SPPParameter | _Dict | None = None,
        slice_param: SliceParameter | _Dict | None = None,
        swish_param: SwishParameter | _Dict | None = None,
        tanh_param: TanHParameter | _Dict | None = None,
        threshold_param: ThresholdParameter | _Dict | None = None,
        tile_param: TileParameter | _Dict | None = None,
        window_data_param: WindowDataParameter | _Dict | None = None,
        adaptive_bias_channel_param: AdaptiveBiasChannelParameter | _Dict | None = None,
        bias_channel_param: BiasChannelParameter | _Dict | None = None,
        dense_crf_param: DenseCRFParameter | _Dict | None = None,
        domain_transform_param: DomainTransformParameter | _Dict | None = None,
        interp_param: InterpParameter | _Dict | None = None,
        mat_read_param: MatReadParameter | _Dict | None = None,
        mat_write_param: MatWriteParameter | _Dict | None = None,
        seg_accuracy_param: SegAccuracyParameter | _Dict | None = None,
        unique_label_param: UniqueLabelParameter | _Dict | None = None,
        forward_type: int | str | None = None,
        backward_type: int | str | None = None,
        forward_math: int | str | None = None,
        backward_math: int | str | None = None,
        debug: bool | None = None,
        cudnn_math_override: int | None = None,
        annotated_data_param: AnnotatedDataParameter | _Dict | None = None,
        detection_evaluate_param: DetectionEvaluateParameter | _Dict | None = None,
        detection_output_param: DetectionOutputParameter | _Dict | None = None,
        multibox_loss_param: MultiBoxLossParameter | _Dict | None = None,
        norm_param: NormalizeParameter | _Dict | None = None,
        permute_param: PermuteParameter | _Dict | None = None,
        prior_box_param: PriorBoxParameter | _Dict | None = None,
        video_data_param: VideoDataParameter | _Dict | None = None,
        trt_param: TRTParameter | _Dict | None = None,
        detectnet_groundtruth_param: DetectNetGroundTruthParameter | _Dict | None = None,
        detectnet_augmentation_param: DetectNetAugmentationParameter | _Dict | None = None,
        bn_param: BNParameter | _Dict | None = None,
        dense_image_data_param: DenseImageDataParameter | _Dict | None = None,
        upsample_param: UpsampleParameter | _Dict | None = None,
        strict_dim: bool | None = None,
        softmaxloss_param: SoftmaxLossParameter | _Dict | None = None,
    ) -> None: ...

class TransformationParameter(Message):
    DESCRIPTOR: Descriptor
    InterpolationAlgo: ClassVar[EnumTypeWrapper]
    INTER_NEAREST: ClassVar[int]
    INTER_LINEAR: ClassVar[int]
    INTER_CUBIC: ClassVar[int]
    INTER_AREA: ClassVar[int]
    scale: float
    mirror: bool
    crop_size: int
    mean_file: str
    @property
    def mean_value(self) -> _Scalars[float]: ...
    force_color: bool
    force_gray: bool
    @property
    def scale_factors(self) -> _Scalars[float]: ...
    crop_width: int
    crop_height: int
    img_rand_resize_lower: int
    img_rand_resize_upper: int
    rand_resize_ratio_lower: float
    rand_resize_ratio_upper: float
    vertical_stretch_lower: float
    vertical_stretch_upper: float
    horizontal_stretch_lower: float
    horizontal_stretch_upper: float
    interpolation_algo_down: int
    interpolation_algo_up: int
    allow_upscale: bool
    forward_packing: int
    crop_h: int
    crop_w: int
    use_gpu_transform: bool
    random_seed: int
    display: bool
    num_labels: int
    @property
    def resize_param(self) -> ResizeParameter: ...
    @property
    def noise_param(self) -> NoiseParameter: ...
    @property
    def distort_param(self) -> DistortionParameter: ...
    @property
    def expand_param(self) -> ExpansionParameter: ...
    @property
    def emit_constraint(self) -> EmitConstraint: ...
    def __init__(
        self,
        *,
        scale: float | None = None,
        mirror: bool | None = None,
        crop_size: int | None = None,
        mean_file: str | None = None,
        mean_value: Iterable[float] | None = None,
        force_color: bool | None = None,
        force_gray: bool | None = None,
        scale_factors: Iterable[float] | None = None,
        crop_width: int | None = None,
        crop_height: int | None = None,
        img_rand_resize_lower: int | None = None,
        img_rand_resize_upper: int | None = None,
        rand_resize_ratio_lower: float | None = None,
        rand_resize_ratio_upper: float | None = None,
        vertical_stretch_lower: float | None = None,
        vertical_stretch_upper: float | None = None,
        horizontal_stretch_lower: float | None = None,
        horizontal_stretch_upper: float | None = None,
        interpolation_algo_down: int | str | None = None,
        interpolation_algo_up: int | str | None = None,
        allow_upscale: bool | None = None,
        forward_packing: int | str | None = None,
        crop_h: int | None = None,
        crop_w: int | None = None,
        use_gpu_transform: bool | None = None,
        random_seed: int | None = None,
        display: bool | None = None,
        num_labels: int | None = None,
        resize_param: ResizeParameter | _Dict | None = None,
        noise_param: NoiseParameter | _Dict | None = None,
        distort_param: DistortionParameter | _Dict | None = None,
        expand_param: ExpansionParameter | _Dict | None = None,
        emit_constraint: EmitConstraint | _Dict | None = None,
    ) -> None: ...

class LossParameter(Message):
    DESCRIPTOR: Descriptor
    NormalizationMode: ClassVar[EnumTypeWrapper]
    FULL: ClassVar[int]
    VALID: ClassVar[int]
    BATCH_SIZE: ClassVar[int]
    NONE: ClassVar[int]
    ignore_label: int
    normalization: int
    normalize: bool
    label_smoothing: float
    weight_by_label_freqs: bool
    @property
    def class_weighting(self) -> _Scalars[float]: ...
    def __init__(
        self,
        *,
        ignore_label: int | None = None,
        normalization: int | str | None = None,
        normalize: bool | None = None,
        label_smoothing: float | None = None,
        weight_by_label_freqs: bool | None = None,
        class_weighting: Iterable[float] | None = None,
    ) -> None: ...

class AccuracyParameter(Message):
    DESCRIPTOR: Descriptor
    top_k: int
    axis: int
    ignore_label: int
    def __init__(
        self,
        *,
        top_k: int | None = None,
        axis: int | None = None,
        ignore_label: int | None = None,
    ) -> None: ...

class ArgMaxParameter(Message):
    DESCRIPTOR: Descriptor
    out_max_val: bool
    top_k: int
    axis: int
    def __init__(
        self,
        *,
        out_max_val: bool | None = None,
        top_k: int | None = None,
        axis: int | None = None,
    ) -> None: ...

class ClipParameter(Message):
    DESCRIPTOR: Descriptor
    min: float
    max: float
    def __init__(
        self,
        *,
        min: float | None = None,
        max: float | None = None,
    ) -> None: ...

class ConcatParameter(Message):
    DESCRIPTOR: Descriptor
    axis: int
    concat_dim: int
    def __init__(
        self,
        *,
        axis: int | None = None,
        concat_dim: int | None = None,
    ) -> None: ...

class BatchNormParameter(Message):
    DESCRIPTOR: Descriptor
    Engine: ClassVar[EnumTypeWrapper]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    use_global_stats: bool
    moving_average_fraction: float
    eps: float
    update_global_stats: bool
    @property
    def scale_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    scale_bias: bool
    engine: int
    def __init__(
        self,
        *,
        use_global_stats: bool | None = None,
        moving_average_fraction: float | None = None,
        eps: float | None = None,
        update_global_stats: bool | None = None,
        scale_filler: FillerParameter | _Dict | None = None,
        bias_filler: FillerParameter | _Dict | None = None,
        scale_bias: bool | None = None,
        engine: int | str | None = None,
    ) -> None: ...

class BiasParameter(Message):
    DESCRIPTOR: Descriptor
    axis: int
    num_axes: int
    @property
    def filler(self) -> FillerParameter: ...
    def __init__(
        self,
        *,
        axis: int | None = None,
        num_axes: int | None = None,
        filler: FillerParameter | _Dict | None = None,
    ) -> None: ...

class ContrastiveLossParameter(Message):
    DESCRIPTOR: Descriptor
    margin: float
    legacy_version: bool
    def __init__(
        self,
        *,
        margin: float | None = None,
        legacy_version: bool | None = None,
    ) -> None: ...

class ConvolutionParameter(Message):
    DESCRIPTOR: Descriptor
    Engine: ClassVar[EnumTypeWrapper]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    CuDNNConvolutionAlgorithmSeeker: ClassVar[EnumTypeWrapper]
    GET: ClassVar[int]
    FINDEX: ClassVar[int]
    num_output: int
    bias_term: bool
    @property
    def pad(self) -> _Scalars[int]: ...
    @property
    def kernel_size(self) -> _Scalars[int]: ...
    @property
    def stride(self) -> _Scalars[int]: ...
    @property
    def dilation(self) -> _Scalars[int]: ...
    pad_h: int
    pad_w: int
    kernel_h: int
    kernel_w: int
    stride_h: int
    stride_w: int
    group: int
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    engine: int
    axis: int
    force_nd_im2col: bool
    cudnn_convolution_algo_seeker: int
    conv_algos_override: str
    hole: int
    hole_h: int
    hole_w: int
    def __init__(
        self,
        *,
        num_output: int | None = None,
        bias_term: bool | None = None,
        pad: Iterable[int] | None = None,
        kernel_size: Iterable[int] | None = None,
        stride: Iterable[int] | None = None,
        dilation: Iterable[int] | None = None,
        pad_h: int | None = None,
        pad_w: int | None = None,
        kernel_h: int | None = None,
        kernel_w: int | None = None,
        stride_h: int | None = None,
        stride_w: int | None = None,
        group: int | None = None,
        weight_filler: FillerParameter | _Dict | None = None,
        bias_filler: FillerParameter | _Dict | None = None,
        engine: int | str | None = None,
        axis: int | None = None,
        force_nd_im2col: bool | None = None,
        cudnn_convolution_algo_seeker: int | str | None = None,
        conv_algos_override: str | None = None,
        hole: int | None = None,
        hole_h: int | None = None,
        hole_w: int | None = None,
    ) -> None: ...

class CropParameter(Message):
    DESCRIPTOR: Descriptor
    axis: int
    @property
    def offset(self) -> _Scalars[int]: ...
    def __init__(
        self,
        *,
        axis: int | None = None,
        offset: Iterable[int] | None = None,
    ) -> None: ...

class DataParameter(Message):
    DESCRIPTOR: Descriptor
    DB: ClassVar[EnumTypeWrapper]
    LEVELDB: ClassVar[int]
    LMDB: ClassVar[int]
    source: str
    batch_size: int
    rand_skip: int
    backend: int
    scale: float
    mean_file: str
    crop_size: int
    mirror: bool
    force_encoded_color: bool
    prefetch: int
    threads: int
    parser_threads: int
    cache: bool
    shuffle: bool
    precache: bool
    def __init__(
        self,
        *,
        source: str | None = None,
        batch_size: int | None = None,
        rand_skip: int | None = None,
        backend: int | str | None = None,
        scale: float | None = None,
        mean_file: str | None = None,
        crop_size: int | None = None,
        mirror: bool | None = None,
        force_encoded_color: bool | None = None,
        prefetch: int | None = None,
        threads: int | None = None,
        parser_threads: int | None = None,
        cache: bool | None = None,
        shuffle: bool | None = None,
        precache: bool | None = None,
    ) -> None: ...

class DropoutParameter(Message):
    DESCRIPTOR: Descriptor
    Engine: ClassVar[EnumTypeWrapper]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    dropout_ratio: float
    engine: int
    random_seed: int
    sample_weights_test: bool
    def __init__(
        self,
        *,
        dropout_ratio: float | None = None,
        engine: int | str | None = None,
        random_seed: int | None = None,
        sample_weights_test: bool | None = None,
    ) -> None: ...

class DummyDataParameter(Message):
    DESCRIPTOR: Descriptor
    @property
    def data_filler(self) -> _Messages[FillerParameter]: ...
    @property
    def shape(self) -> _Messages[BlobShape]: ...
    @property
    def num(self) -> _Scalars[int]: ...
    @property
    def channels(self) -> _Scalars[int]: ...
    @property
    def height(self) -> _Scalars[int]: ...
    @property
    def width(self) -> _Scalars[int]: ...
    def __init__(
        self,
        *,
        data_filler: Iterable[FillerParameter | _Dict] | None = None,
        shape: Iterable[BlobShape | _Dict] | None = None,
        num: Iterable[int] | None = None,
        channels: Iterable[int] | None = None,
        height: Iterable[int] | None = None,
        width: Iterable[int] | None = None,
    ) -> None: ...

class EltwiseParameter(Message):
    DESCRIPTOR: Descriptor
    EltwiseOp: ClassVar[EnumTypeWrapper]
    PROD: ClassVar[int]
    SUM: ClassVar[int]
    MAX: ClassVar[int]
    operation: int
    @property
    def coeff(self) -> _Scalars[float]: ...
    stable_prod_grad: bool
    def __init__(
        self,
        *,
        operation: int | str | None = None,
        coeff: Iterable[float] | None = None,
        stable_prod_grad: bool | None = None,
    ) -> None: ...

class ELUParameter(Message):
    DESCRIPTOR: Descriptor
    alpha: float
    def __init__(
        self,
        *,
        alpha: float | None = None,
    ) -> None: ...

class EmbedParameter(Message):
    DESCRIPTOR: Descriptor
    num_output: int
    input_dim: int
    bias_term: bool
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    def __init__(
        self,
        *,
        num_output: int | None = None,
        input_dim: int | None = None,
        bias_term: bool | None = None,
        weight_filler: FillerParameter | _Dict | None = None,
        bias_filler: FillerParameter | _Dict | None = None,
    ) -> None: ...

class ExpParameter(Message):
    DESCRIPTOR: Descriptor
    base: float
    scale: float
    shift: float
    def __init__(
        self,
        *,
        base: float | None = None,
        scale: float | None = None,
        shift: float | None = None,
    ) -> None: ...

class FlattenParameter(Message):
    DESCRIPTOR: Descriptor
    axis: int
    end_axis: int
    def __init__(
        self,
        *,
        axis: int | None = None,
        end_axis: int | None = None,
    ) -> None: ...

class HDF5DataParameter(Message):
    DESCRIPTOR: Descriptor
    source: str
    batch_size: int
    shuffle: bool
    def __init__(
        self,
        *,
        source: str | None = None,
        batch_size: int | None = None,
        shuffle: bool | None = None,
    ) -> None: ...

class HDF5OutputParameter(Message):
    DESCRIPTOR: Descriptor
    file_name: str
    def __init__(
        self,
        *,
        file_name: str | None = None,
    ) -> None: ...

class HingeLossParameter(Message):
    DESCRIPTOR: Descriptor
    Norm: ClassVar[EnumTypeWrapper]
    L1: ClassVar[int]
    L2: ClassVar[int]
    norm: int
    def __init__(
        self,
        *,
        norm: int | str | None = None,
    ) -> None: ...

class ImageDataParameter(Message):
    DESCRIPTOR: Descriptor
    LabelType: ClassVar[EnumTypeWrapper]
    NONE: ClassVar[int]
    IMAGE: ClassVar[int]
    PIXEL: ClassVar[int]
    source: str
    batch_size: int
    rand_skip: int
    shuffle: bool
    new_height: int
    new_width: int
    is_color: bool
    scale: float
    mean_file: str
    crop_size: int
    mirror: bool
    root_folder: str
    ignore_label: int
    label_type: int
    short_side: int
    threads: int
    cache: bool
    precache: bool
    dataset_share_per_node: float
    def __init__(
        self,
        *,
        source: str | None = None,
        batch_size: int | None = None,
        rand_skip: int | None = None,
        shuffle: bool | None = None,
        new_height: int | None = None,
        new_width: int | None = None,
        is_color: bool | None = None,
        scale: float | None = None,
        mean_file: str | None = None,
        crop_size: int | None = None,
        mirror: bool | None = None,
        root_folder: str | None = None,
        ignore_label: int | None = None,
        label_type: int | str | None = None,
        short_side: int | None = None,
        threads: int | None = None,
        cache: bool | None = None,
        precache: bool | None = None,
        dataset_share_per_node: float | None = None,
    ) -> None: ...

class InfogainLossParameter(Message):
    DESCRIPTOR: Descriptor
    source: str
    axis: int
    def __init__(
        self,
        *,
        source: str | None = None,
        axis: int | None = None,
    ) -> None: ...

class InnerProductParameter(Message):
    DESCRIPTOR: Descriptor
    num_output: int
    bias_term: bool
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    axis: int
    transpose: bool
    def __init__(
        self,
        *,
        num_output: int | None = None,
        bias_term: bool | None = None,
        weight_filler: FillerParameter | _Dict | None = None,
        bias_filler: FillerParameter | _Dict | None = None,
        axis: int | None = None,
        transpose: bool | None = None,
    ) -> None: ...

class InputParameter(Message):
    DESCRIPTOR: Descriptor
    @property
    def shape(self) -> _Messages[BlobShape]: ...
    def __init__(
        self,
        *,
        shape: Iterable[BlobShape | _Dict] | None = None,
    ) -> None: ...

class LogParameter(Message):
    DESCRIPTOR: Descriptor
    base: float
    scale: float
    shift: float
    def __init__(
        self,
        *,
        base: float | None = None,
        scale: float | None = None,
        shift: float | None = None,
    ) -> None: ...

class LRNParameter(Message):
    DESCRIPTOR: Descriptor
    NormRegion: ClassVar[EnumTypeWrapper]
    ACROSS_CHANNELS: ClassVar[int]
    WITHIN_CHANNEL: ClassVar[int]
    Engine: ClassVar[EnumTypeWrapper]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    local_size: int
    alpha: float
    beta: float
    norm_region: int
    k: float
    engine: int
    def __init__(
        self,
        *,
        local_size: int | None = None,
        alpha: float | None = None,
        beta: float | None = None,
        norm_region: int | str | None = None,
        k: float | None = None,
        engine: int | str | None = None,
    ) -> None: ...

class MemoryDataParameter(Message):
    DESCRIPTOR: Descriptor
    batch_size: int
    channels: int
    height: int
    width: int
    def __init__(
        self,
        *,
        batch_size: int | None = None,
        channels: int | None = None,
        height: int | None = None,
        width: int | None = None,
    ) -> None: ...

class MVNParameter(Message):
    DESCRIPTOR: Descriptor
    normalize_variance: bool
    across_channels: bool
    eps: float
    def __init__(
        self,
        *,
        normalize_variance: bool | None = None,
        across_channels: bool | None = None,
        eps: float | None = None,
    ) -> None: ...

class ParameterParameter(Message):
    DESCRIPTOR: Descriptor
    @property
    def shape(self) -> BlobShape: ...
    def __init__(
        self,
        *,
        shape: BlobShape | _Dict | None = None,
    ) -> None: ...

class PoolingParameter(Message):
    DESCRIPTOR: Descriptor
    PoolMethod: ClassVar[EnumTypeWrapper]
    MAX: ClassVar[int]
    AVE: ClassVar[int]
    STOCHASTIC: ClassVar[int]
    Engine: ClassVar[EnumTypeWrapper]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    RoundMode: ClassVar[EnumTypeWrapper]
    CEIL: ClassVar[int]
    FLOOR: ClassVar[int]
    pool: int
    pad: int
    pad_h: int
    pad_w: int
    kernel_size: int
    kernel_h: int
    kernel_w: int
    stride: int
    stride_h: int
    stride_w: int
    engine: int
    global_pooling: bool
    round_mode: int
    torch_pooling: bool
    ceil_mode: bool
    def __init__(
        self,
        *,
        pool: int | str | None = None,
        pad: int | None = None,
        pad_h: int | None = None,
        pad_w: int | None = None,
        kernel_size: int | None = None,
        kernel_h: int | None = None,
        kernel_w: int | None = None,
        stride: int | None = None,
        stride_h: int | None = None,
        stride_w: int | None = None,
        engine: int | str | None = None,
        global_pooling: bool | None = None,
        round_mode: int | str | None = None,
        torch_pooling: bool | None = None,
        ceil_mode: bool | None = None,
    ) -> None: ...

class PowerParameter(Message):
    DESCRIPTOR: Descriptor
    power: float
    scale: float
    shift: float
    def __init__(
        self,
        *,
        power: float | None = None,
        scale: float | None = None,
        shift: float | None = None,
    ) -> None: ...

class PythonParameter(Message):
    DESCRIPTOR: Descriptor
    module: str
    layer: str
    param_str: str
    share_in_parallel: bool
    def __init__(
        self,
        *,
        module: str | None = None,
        layer: str | None = None,
        param_str: str | None = None,
        share_in_parallel: bool | None = None,
    ) -> None: ...

class RecurrentParameter(Message):
    DESCRIPTOR: Descriptor
    num_output: int
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    debug_info: bool
    expose_hidden: bool
    def __init__(
        self,
        *,
        num_output: int | None = None,
        weight_filler: FillerParameter | _Dict | None = None,
        bias_filler: FillerParameter | _Dict | None = None,
        debug_info: bool | None = None,
        expose_hidden: bool | None = None,
    ) -> None: ...

class ReductionParameter(Message):
    DESCRIPTOR: Descriptor
    ReductionOp: ClassVar[EnumTypeWrapper]
    SUM: ClassVar[int]
    ASUM: ClassVar[int]
    SUMSQ: ClassVar[int]
    MEAN: ClassVar[int]
    operation: int
    axis: int
    coeff: float
    def __init__(
        self,
        *,
        operation: int | str | None = None,
        axis: int | None = None,
        coeff: float | None = None,
    ) -> None: ...

class ReLUParameter(Message):
    DESCRIPTOR: Descriptor
    Engine: ClassVar[EnumTypeWrapper]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    negative_slope: float
    engine: int
    def __init__(
        self,
        *,
        negative_slope: float | None = None,
        engine: int | str | None = None,
    ) -> None: ...

class ReshapeParameter(Message):
    DESCRIPTOR: Descriptor
    @property
    def shape(self) -> BlobShape: ...
    axis: int
    num_axes: int
    def __init__(
        self,
        *,
        shape: BlobShape | _Dict | None = None,
        axis: int | None = None,
        num_axes: int | None = None,
    ) -> None: ...

class ScaleParameter(Message):
    DESCRIPTOR: Descriptor
    axis: int
    num_axes: int
    @property
    def filler(self) -> FillerParameter: ...
    bias_term: bool
    @property
    def bias_filler(self) -> FillerParameter: ...
    def __init__(
        self,
        *,
        axis: int | None = None,
        num_axes: int | None = None,
        filler: FillerParameter | _Dict | None = None,
        bias_term: bool | None = None,
        bias_filler: FillerParameter | _Dict | None = None,
    ) -> None: ...

class SigmoidParameter(Message):
    DESCRIPTOR: Descriptor
    Engine: ClassVar[EnumTypeWrapper]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int
    def __init__(
        self,
        *,
        engine: int | str | None = None,
    ) -> None: ...

class SliceParameter(Message):
    DESCRIPTOR: Descriptor
    axis: int
    @property
    def slice_point(self) -> _Scalars[int]: ...
    slice_dim: int
    def __init__(
        self,
        *,
        axis: int | None = None,
        slice_point: Iterable[int] | None = None,
        slice_dim: int | None = None,
    ) -> None: ...

class SoftmaxParameter(Message):
    DESCRIPTOR: Descriptor
    Engine: ClassVar[EnumTypeWrapper]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int
    axis: int
    def __init__(
        self,
        *,
        engine: int | str | None = None,
        axis: int | None = None,
    ) -> None: ...

class SwishParameter(Message):
    DESCRIPTOR: Descriptor
    beta: float
    def __init__(
        self,
        *,
        beta: float | None = None,
    ) -> None: ...

class TanHParameter(Message):
    DESCRIPTOR: Descriptor
    Engine: ClassVar[EnumTypeWrapper]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    engine: int
    def __init__(
        self,
        *,
        engine: int | str | None = None,
    ) -> None: ...

class TileParameter(Message):
    DESCRIPTOR: Descriptor
    axis: int
    tiles: int
    def __init__(
        self,
        *,
        axis: int | None = None,
        tiles: int | None = None,
    ) -> None: ...

class ThresholdParameter(Message):
    DESCRIPTOR: Descriptor
    threshold: float
    def __init__(
        self,
        *,
        threshold: float | None = None,
    ) -> None: ...

class WindowDataParameter(Message):
    DESCRIPTOR: Descriptor
    source: str
    scale: float
    mean_file: str
    batch_size: int
    crop_size: int
    mirror: bool
    fg_threshold: float
    bg_threshold: float
    fg_fraction: float
    context_pad: int
    crop_mode: str
    cache_images: bool
    root_folder: str
    def __init__(
        self,
        *,
        source: str | None = None,
        scale: float | None = None,
        mean_file: str | None = None,
        batch_size: int | None = None,
        crop_size: int | None = None,
        mirror: bool | None = None,
        fg_threshold: float | None = None,
        bg_threshold: float | None = None,
        fg_fraction: float | None = None,
        context_pad: int | None = None,
        crop_mode: str | None = None,
        cache_images: bool | None = None,
        root_folder: str | None = None,
    ) -> None: ...

class SPPParameter(Message):
    DESCRIPTOR: Descriptor
    PoolMethod: ClassVar[EnumTypeWrapper]
    MAX: ClassVar[int]
    AVE: ClassVar[int]
    STOCHASTIC: ClassVar[int]
    Engine: ClassVar[EnumTypeWrapper]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    pyramid_height: int
    pool: int
    engine: int
    def __init__(
        self,
        *,
        pyramid_height: int | None = None,
        pool: int | str | None = None,
        engine: int | str | None = None,
    ) -> None: ...

class V1LayerParameter(Message):
    DESCRIPTOR: Descriptor
    LayerType: ClassVar[EnumTypeWrapper]
    NONE: ClassVar[int]
    ABSVAL: ClassVar[int]
    ACCURACY: ClassVar[int]
    ARGMAX: ClassVar[int]
    BNLL: ClassVar[int]
    CONCAT: ClassVar[int]
    CONTRASTIVE_LOSS: ClassVar[int]
    CONVOLUTION: ClassVar[int]
    DATA: ClassVar[int]
    DECONVOLUTION: ClassVar[int]
    DROPOUT: ClassVar[int]
    DUMMY_DATA: ClassVar[int]
    EUCLIDEAN_LOSS: ClassVar[int]
    ELTWISE: ClassVar[int]
    EXP: ClassVar[int]
    FLATTEN: ClassVar[int]
    HDF5_DATA: ClassVar[int]
    HDF5_OUTPUT: ClassVar[int]
    HINGE_LOSS: ClassVar[int]
    IM2COL: ClassVar[int]
    IMAGE_DATA: ClassVar[int]
    INFOGAIN_LOSS: ClassVar[int]
    INNER_PRODUCT: ClassVar[int]
    LRN: ClassVar[int]
    MEMORY_DATA: ClassVar[int]
    MULTINOMIAL_LOGISTIC_LOSS: ClassVar[int]
    MVN: ClassVar[int]
    POOLING: ClassVar[int]
    POWER: ClassVar[int]
    RELU: ClassVar[int]
    SIGMOID: ClassVar[int]
    SIGMOID_CROSS_ENTROPY_LOSS: ClassVar[int]
    SILENCE: ClassVar[int]
    SOFTMAX: ClassVar[int]
    SOFTMAX_LOSS: ClassVar[int]
    SPLIT: ClassVar[int]
    SLICE: ClassVar[int]
    TANH: ClassVar[int]
    WINDOW_DATA: ClassVar[int]
    THRESHOLD: ClassVar[int]
    ADAPTIVE_BIAS_CHANNEL: ClassVar[int]
    BIAS_CHANNEL: ClassVar[int]
    BN: ClassVar[int]
    CROP: ClassVar[int]
    DENSE_CRF: ClassVar[int]
    DENSE_IMAGE_DATA: ClassVar[int]
    IMAGE_SEG_DATA: ClassVar[int]
    INTERP: ClassVar[int]
    MAT_READ: ClassVar[int]
    MAT_WRITE: ClassVar[int]
    NORMALIZE: ClassVar[int]
    PERMUTE: ClassVar[int]
    SEG_ACCURACY: ClassVar[int]
    UNIQUE_LABEL: ClassVar[int]
    UPSAMPLE: ClassVar[int]
    DimCheckMode: ClassVar[EnumTypeWrapper]
    STRICT: ClassVar[int]
    PERMISSIVE: ClassVar[int]
    @property
    def bottom(self) -> _Scalars[str]: ...
    @property
    def top(self) -> _Scalars[str]: ...
    name: str
    @property
    def include(self) -> _Messages[NetStateRule]: ...
    @property
    def exclude(self) -> _Messages[NetStateRule]: ...
    type: int
    @property
    def blobs(self) -> _Messages[BlobProto]: ...
    @property
    def param(self) -> _Scalars[str]: ...
    @property
    def blob_share_mode(self) -> _Scalars[int]: ...
    @property
    def blobs_lr(self) -> _Scalars[float]: ...
    @property
    def weight_decay(self) -> _Scalars[float]: ...
    @property
    def loss_weight(self) -> _Scalars[float]: ...
    @property
    def accuracy_param(self) -> AccuracyParameter: ...
    @property
    def argmax_param(self) -> ArgMaxParameter: ...
    @property
    def concat_param(self) -> ConcatParameter: ...
    @property
    def contrastive_loss_param(self) -> ContrastiveLossParameter: ...
    @property
    def convolution_param(self) -> ConvolutionParameter: ...
    @property
    def data_param(self) -> DataParameter: ...
    @property
    def dropout_param(self) -> DropoutParameter: ...
    @property
    def dummy_data_param(self) -> DummyDataParameter: ...
    @property
    def eltwise_param(self) -> EltwiseParameter: ...
    @property
    def exp_param(self) -> ExpParameter: ...
    @property
    def hdf5_data_param(self) -> HDF5DataParameter: ...
    @property
    def hdf5_output_param(self) -> HDF5OutputParameter: ...
    @property
    def hinge_loss_param(self) -> HingeLossParameter: ...
    @property
    def image_data_param(self) -> ImageDataParameter: ...
    @property
    def infogain_loss_param(self) -> InfogainLossParameter: ...
    @property
    def inner_product_param(self) -> InnerProductParameter: ...
    @property
    def lrn_param(self) -> LRNParameter: ...
    @property
    def memory_data_param(self) -> MemoryDataParameter: ...
    @property
    def mvn_param(self) -> MVNParameter: ...
    @property
    def pooling_param(self) -> PoolingParameter: ...
    @property
    def power_param(self) -> PowerParameter: ...
    @property
    def relu_param(self) -> ReLUParameter: ...
    @property
    def sigmoid_param(self) -> SigmoidParameter: ...
    @property
    def softmax_param(self) -> SoftmaxParameter: ...
    @property
    def slice_param(self) -> SliceParameter: ...
    @property
    def tanh_param(self) -> TanHParameter: ...
    @property
    def threshold_param(self) -> ThresholdParameter: ...
    @property
    def window_data_param(self) -> WindowDataParameter: ...
    @property
    def transform_param(self) -> TransformationParameter: ...
    @property
    def loss_param(self) -> LossParameter: ...
    @property
    def layer(self) -> V0LayerParameter: ...
    @property
    def adaptive_bias_channel_param(self) -> AdaptiveBiasChannelParameter: ...
    @property
    def bias_channel_param(self) -> BiasChannelParameter: ...
    @property
    def dense_crf_param(self) -> DenseCRFParameter: ...
    @property
    def domain_transform_param(self) -> DomainTransformParameter: ...
    @property
    def interp_param(self) -> InterpParameter: ...
    @property
    def mat_read_param(self) -> MatReadParameter: ...
    @property
    def mat_write_param(self) -> MatWriteParameter: ...
    @property
    def seg_accuracy_param(self) -> SegAccuracyParameter: ...
    @property
    def unique_label_param(self) -> UniqueLabelParameter: ...
    @property
    def annotated_data_param(self) -> AnnotatedDataParameter: ...
    @property
    def detection_evaluate_param(self) -> DetectionEvaluateParameter: ...
    @property
    def detection_output_param(self) -> DetectionOutputParameter: ...
    @property
    def multibox_loss_param(self) -> MultiBoxLossParameter: ...
    @property
    def norm_param(self) -> NormalizeParameter: ...
    @property
    def permute_param(self) -> PermuteParameter: ...
    @property
    def prior_box_param(self) -> PriorBoxParameter: ...
    @property
    def video_data_param(self) -> VideoDataParameter: ...
    @property
    def recurrent_param(self) -> RecurrentParameter: ...
    @property
    def trt_param(self) -> TRTParameter: ...
    @property
    def detectnet_groundtruth_param(self) -> DetectNetGroundTruthParameter: ...
    @property
    def detectnet_augmentation_param(self) -> DetectNetAugmentationParameter: ...
    @property
    def bn_param(self) -> BNParameter: ...
    @property
    def dense_image_data_param(self) -> DenseImageDataParameter: ...
    @property
    def upsample_param(self) -> UpsampleParameter: ...
    strict_dim: bool
    @property
    def softmaxloss_param(self) -> SoftmaxLossParameter: ...
    def __init__(
        self,
        *,
        bottom: Iterable[str] | None = None,
        top: Iterable[str] | None = None,
        name: str | None = None,
        include: Iterable[NetStateRule | _Dict] | None = None,
        exclude: Iterable[NetStateRule | _Dict] | None = None,
        type: int | str | None = None,
        blobs: Iterable[BlobProto | _Dict] | None = None,
        param: Iterable[str] | None = None,
        blob_share_mode: Iterable[int | str] | None = None,
        blobs_lr: Iterable[float] | None = None,
        weight_decay: Iterable[float] | None = None,
        loss_weight: Iterable[float] | None = None,
        accuracy_param: AccuracyParameter | _Dict | None = None,
        argmax_param: ArgMaxParameter | _Dict | None = None,
        concat_param: ConcatParameter | _Dict | None = None,
        contrastive_loss_param: ContrastiveLossParameter | _Dict | None = None,
        convolution_param: ConvolutionParameter | _Dict | None = None,
        data_param: DataParameter | _Dict | None = None,
        dropout_param: DropoutParameter | _Dict | None = None,
        dummy_data_param: DummyDataParameter | _Dict | None = None,
        eltwise_param: EltwiseParameter | _Dict | None = None,
        exp_param: ExpParameter | _Dict | None = None,
        hdf5_data_param: HDF5DataParameter | _Dict | None = None,
        hdf5_output_param: HDF5OutputParameter | _Dict | None = None,
        hinge_loss_param: HingeLossParameter | _Dict | None = None,
        image_data_param: ImageDataParameter | _Dict | None = None,
        infogain_loss_param: InfogainLossParameter | _Dict | None = None,
        inner_product_param: InnerProductParameter | _Dict | None = None,
        lrn_param: LRNParameter | _Dict | None = None,
        memory_data_param: MemoryDataParameter | _Dict | None = None,
        mvn_param: MVNParameter | _Dict | None = None,
        pooling_param: PoolingParameter | _Dict | None = None,
        power_param: PowerParameter | _Dict | None = None,
        relu_param: ReLUParameter | _Dict | None = None,
        sigmoid_param: SigmoidParameter | _Dict | None = None,
        softmax_param: SoftmaxParameter | _Dict | None = None,
        slice_param: SliceParameter | _Dict | None = None,
        tanh_param: TanHParameter | _Dict | None = None,
        threshold_param: ThresholdParameter | _Dict | None = None,
        window_data_param: WindowDataParameter | _Dict | None = None,
        transform_param: TransformationParameter | _Dict | None = None,
        loss_param: LossParameter | _Dict | None = None,
        layer: V0LayerParameter | _Dict | None = None,
        adaptive_bias_channel_param: AdaptiveBiasChannelParameter | _Dict | None = None,
        bias_channel_param: BiasChannelParameter | _Dict | None = None,
        dense_crf_param: DenseCRFParameter | _Dict | None = None,
        domain_transform_param: DomainTransformParameter | _Dict | None = None,
        interp_param: InterpParameter | _Dict | None = None,
        mat_read_param: MatReadParameter | _Dict | None = None,
        mat_write_param: MatWriteParameter | _Dict | None = None,
        seg_accuracy_param: SegAccuracyParameter | _Dict | None = None,
        unique_label_param: UniqueLabelParameter | _Dict | None = None,
        annotated_data_param: AnnotatedDataParameter | _Dict | None = None,
        detection_evaluate_param: DetectionEvaluateParameter | _Dict | None = None,
        detection_output_param: DetectionOutputParameter | _Dict | None = None,
        multibox_loss_param: MultiBoxLossParameter | _Dict | None = None,
        norm_param: NormalizeParameter | _Dict | None = None,
        permute_param: PermuteParameter | _Dict | None = None,
        prior_box_param: PriorBoxParameter | _Dict | None = None,
        video_data_param: VideoDataParameter | _Dict | None = None,
        recurrent_param: RecurrentParameter | _Dict | None = None,
        trt_param: TRTParameter | _Dict | None = None,
        detectnet_groundtruth_param: DetectNetGroundTruthParameter | _Dict | None = None,
        detectnet_augmentation_param: DetectNetAugmentationParameter | _Dict | None = None,
        bn_param: BNParameter | _Dict | None = None,
        dense_image_data_param: DenseImageDataParameter | _Dict | None = None,
        upsample_param: UpsampleParameter | _Dict | None = None,
        strict_dim: bool | None = None,
        softmaxloss_param: SoftmaxLossParameter | _Dict | None = None,
    ) -> None: ...

class V0LayerParameter(Message):
    DESCRIPTOR: Descriptor
    PoolMethod: ClassVar[EnumTypeWrapper]
    MAX: ClassVar[int]
    AVE: ClassVar[int]
    STOCHASTIC: ClassVar[int]
    name: str
    type: str
    num_output: int
    biasterm: bool
    @property
    def weight_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    pad: int
    kernelsize: int
    group: int
    stride: int
    pool: int
    dropout_ratio: float
    local_size: int
    alpha: float
    beta: float
    k: float
    source: str
    scale: float
    meanfile: str
    batchsize: int
    cropsize: int
    mirror: bool
    @property
    def blobs(self) -> _Messages[BlobProto]: ...
    @property
    def blobs_lr(self) -> _Scalars[float]: ...
    @property
    def weight_decay(self) -> _Scalars[float]: ...
    rand_skip: int
    det_fg_threshold: float
    det_bg_threshold: float
    det_fg_fraction: float
    det_context_pad: int
    det_crop_mode: str
    new_num: int
    new_channels: int
    new_height: int
    new_width: int
    shuffle_images: bool
    concat_dim: int
    @property
    def hdf5_output_param(self) -> HDF5OutputParameter: ...
    def __init__(
        self,
        *,
        name: str | None = None,
        type: str | None = None,
        num_output: int | None = None,
        biasterm: bool | None = None,
        weight_filler: FillerParameter | _Dict | None = None,
        bias_filler: FillerParameter | _Dict | None = None,
        pad: int | None = None,
        kernelsize: int | None = None,
        group: int | None = None,
        stride: int | None = None,
        pool: int | str | None = None,
        dropout_ratio: float | None = None,
        local_size: int | None = None,
        alpha: float | None = None,
        beta: float | None = None,
        k: float | None = None,
        source: str | None = None,
        scale: float | None = None,
        meanfile: str | None = None,
        batchsize: int | None = None,
        cropsize: int | None = None,
        mirror: bool | None = None,
        blobs: Iterable[BlobProto | _Dict] | None = None,
        blobs_lr: Iterable[float] | None = None,
        weight_decay: Iterable[float] | None = None,
        rand_skip: int | None = None,
        det_fg_threshold: float | None = None,
        det_bg_threshold: float | None = None,
        det_fg_fraction: float | None = None,
        det_context_pad: int | None = None,
        det_crop_mode: str | None = None,
        new_num: int | None = None,
        new_channels: int | None = None,
        new_height: int | None = None,
        new_width: int | None = None,
        shuffle_images: bool | None = None,
        concat_dim: int | None = None,
        hdf5_output_param: HDF5OutputParameter | _Dict | None = None,
    ) -> None: ...

class PReLUParameter(Message):
    DESCRIPTOR: Descriptor
    @property
    def filler(self) -> FillerParameter: ...
    channel_shared: bool
    def __init__(
        self,
        *,
        filler: FillerParameter | _Dict | None = None,
        channel_shared: bool | None = None,
    ) -> None: ...

class AdaptiveBiasChannelParameter(Message):
    DESCRIPTOR: Descriptor
    num_iter: int
    bg_portion: float
    fg_portion: float
    suppress_others: bool
    margin_others: float
    def __init__(
        self,
        *,
        num_iter: int | None = None,
        bg_portion: float | None = None,
        fg_portion: float | None = None,
        suppress_others: bool | None = None,
        margin_others: float | None = None,
    ) -> None: ...

class BiasChannelParameter(Message):
    DESCRIPTOR: Descriptor
    LabelType: ClassVar[EnumTypeWrapper]
    IMAGE: ClassVar[int]
    PIXEL: ClassVar[int]
    bg_bias: float
    fg_bias: float
    @property
    def ignore_label(self) -> _Scalars[int]: ...
    label_type: int
    background_label: int
    def __init__(
        self,
        *,
        bg_bias: float | None = None,
        fg_bias: float | None = None,
        ignore_label: Iterable[int] | None = None,
        label_type: int | str | None = None,
        background_label: int | None = None,
    ) -> None: ...

class DenseCRFParameter(Message):
    DESCRIPTOR: Descriptor
    max_iter: int
    @property
    def pos_xy_std(self) -> _Scalars[float]: ...
    @property
    def pos_w(self) -> _Scalars[float]: ...
    @property
    def bi_xy_std(self) -> _Scalars[float]: ...
    @property
    def bi_rgb_std(self) -> _Scalars[float]: ...
    @property
    def bi_w(self) -> _Scalars[float]: ...
    output_probability: bool
    def __init__(
        self,
        *,
        max_iter: int | None = None,
        pos_xy_std: Iterable[float] | None = None,
        pos_w: Iterable[float] | None = None,
        bi_xy_std: Iterable[float] | None = None,
        bi_rgb_std: Iterable[float] | None = None,
        bi_w: Iterable[float] | None = None,
        output_probability: bool | None = None,
    ) -> None: ...

class DomainTransformParameter(Message):
    DESCRIPTOR: Descriptor
    num_iter: int
    spatial_sigma: float
    range_sigma: float
    min_weight: float
    def __init__(
        self,
        *,
        num_iter: int | None = None,
        spatial_sigma: float | None = None,
        range_sigma: float | None = None,
        min_weight: float | None = None,
    ) -> None: ...

class InterpParameter(Message):
    DESCRIPTOR: Descriptor
    height: int
    width: int
    zoom_factor: int
    shrink_factor: int
    pad_beg: int
    pad_end: int
    def __init__(
        self,
        *,
        height: int | None = None,
        width: int | None = None,
        zoom_factor: int | None = None,
        shrink_factor: int | None = None,
        pad_beg: int | None = None,
        pad_end: int | None = None,
    ) -> None: ...

class MatReadParameter(Message):
    DESCRIPTOR: Descriptor
    prefix: str
    source: str
    strip: int
    batch_size: int
    def __init__(
        self,
        *,
        prefix: str | None = None,
        source: str | None = None,
        strip: int | None = None,
        batch_size: int | None = None,
    ) -> None: ...

class MatWriteParameter(Message):
    DESCRIPTOR: Descriptor
    prefix: str
    source: str
    strip: int
    period: int
    def __init__(
        self,
        *,
        prefix: str | None = None,
        source: str | None = None,
        strip: int | None = None,
        period: int | None = None,
    ) -> None: ...

class SegAccuracyParameter(Message):
    DESCRIPTOR: Descriptor
    AccuracyMetric: ClassVar[EnumTypeWrapper]
    PixelAccuracy: ClassVar[int]
    ClassAccuracy: ClassVar[int]
    PixelIOU: ClassVar[int]
    metric: int
    @property
    def ignore_label(self) -> _Scalars[int]: ...
    reset: bool
    def __init__(
        self,
        *,
        metric: int | str | None = None,
        ignore_label: Iterable[int] | None = None,
        reset: bool | None = None,
    ) -> None: ...

class UniqueLabelParameter(Message):
    DESCRIPTOR: Descriptor
    max_labels: int
    @property
    def ignore_label(self) -> _Scalars[int]: ...
    @property
    def force_label(self) -> _Scalars[float]: ...
    def __init__(
        self,
        *,
        max_labels: int | None = None,
        ignore_label: Iterable[int] | None = None,
        force_label: Iterable[float] | None = None,
    ) -> None: ...

class LabelMapItem(Message):
    DESCRIPTOR: Descriptor
    name: str
    label: int
    display_name: str
    def __init__(
        self,
        *,
        name: str | None = None,
        label: int | None = None,
        display_name: str | None = None,
    ) -> None: ...

class LabelMap(Message):
    DESCRIPTOR: Descriptor
    @property
    def item(self) -> _Messages[LabelMapItem]: ...
    def __init__(
        self,
        *,
        item: Iterable[LabelMapItem | _Dict] | None = None,
    ) -> None: ...

class Sampler(Message):
    DESCRIPTOR: Descriptor
    min_scale: float
    max_scale: float
    min_aspect_ratio: float
    max_aspect_ratio: float
    def __init__(
        self,
        *,
        min_scale: float | None = None,
        max_scale: float | None = None,
        min_aspect_ratio: float | None = None,
        max_aspect_ratio: float | None = None,
    ) -> None: ...

class SampleConstraint(Message):
    DESCRIPTOR: Descriptor
    min_jaccard_overlap: float
    max_jaccard_overlap: float
    min_sample_coverage: float
    max_sample_coverage: float
    min_object_coverage: float
    max_object_coverage: float
    def __init__(
        self,
        *,
        min_jaccard_overlap: float | None = None,
        max_jaccard_overlap: float | None = None,
        min_sample_coverage: float | None = None,
        max_sample_coverage: float | None = None,
        min_object_coverage: float | None = None,
        max_object_coverage: float | None = None,
    ) -> None: ...

class BatchSampler(Message):
    DESCRIPTOR: Descriptor
    use_original_image: bool
    @property
    def sampler(self) -> Sampler: ...
    @property
    def sample_constraint(self) -> SampleConstraint: ...
    max_sample: int
    max_trials: int
    def __init__(
        self,
        *,
        use_original_image: bool | None = None,
        sampler: Sampler | _Dict | None = None,
        sample_constraint: SampleConstraint | _Dict | None = None,
        max_sample: int | None = None,
        max_trials: int | None = None,
    ) -> None: ...

class EmitConstraint(Message):
    DESCRIPTOR: Descriptor
    EmitType: ClassVar[EnumTypeWrapper]
    CENTER: ClassVar[int]
    MIN_OVERLAP: ClassVar[int]
    emit_type: int
    emit_overlap: float
    def __init__(
        self,
        *,
        emit_type: int | str | None = None,
        emit_overlap: float | None = None,
    ) -> None: ...

class NormalizedBBox(Message):
    DESCRIPTOR: Descriptor
    xmin: float
    ymin: float
    xmax: float
    ymax: float
    label: int
    difficult: bool
    score: float
    size: float
    def __init__(
        self,
        *,
        xmin: float | None = None,
        ymin: float | None = None,
        xmax: float | None = None,
        ymax: float | None = None,
        label: int | None = None,
        difficult: bool | None = None,
        score: float | None = None,
        size: float | None = None,
    ) -> None: ...

class Annotation(Message):
    DESCRIPTOR: Descriptor
    instance_id: int
    @property
    def bbox(self) -> NormalizedBBox: ...
    def __init__(
        self,
        *,
        instance_id: int | None = None,
        bbox: NormalizedBBox | _Dict | None = None,
    ) -> None: ...

class AnnotationGroup(Message):
    DESCRIPTOR: Descriptor
    group_label: int
    @property
    def annotation(self) -> _Messages[Annotation]: ...
    def __init__(
        self,
        *,
        group_label: int | None = None,
        annotation: Iterable[Annotation | _Dict] | None = None,
    ) -> None: ...

class AnnotatedDatum(Message):
    DESCRIPTOR: Descriptor
    AnnotationType: ClassVar[EnumTypeWrapper]
    BBOX: ClassVar[int]
    @property
    def datum(self) -> Datum: ...
    type: int
    @property
    def annotation_group(self) -> _Messages[AnnotationGroup]: ...
    record_id: int
    def __init__(
        self,
        *,
        datum: Datum | _Dict | None = None,
        type: int | str | None = None,
        annotation_group: Iterable[AnnotationGroup | _Dict] | None = None,
        record_id: int | None = None,
    ) -> None: ...

class C2TensorProto(Message):
    DESCRIPTOR: Descriptor
    DataType: ClassVar[EnumTypeWrapper]
    UNDEFINED: ClassVar[int]
    FLOAT: ClassVar[int]
    INT32: ClassVar[int]
    BYTE: ClassVar[int]
    STRING: ClassVar[int]
    BOOL: ClassVar[int]
    UINT8: ClassVar[int]
    INT8: ClassVar[int]
    UINT16: ClassVar[int]
    INT16: ClassVar[int]
    INT64: ClassVar[int]
    FLOAT16: ClassVar[int]
    DOUBLE: ClassVar[int]
    @property
    def dims(self) -> _Scalars[int]: ...
    data_type: int
    @property
    def float_data(self) -> _Scalars[float]: ...
    @property
    def int32_data(self) -> _Scalars[int]: ...
    byte_data: bytes
    @property
    def string_data(self) -> _Scalars[bytes]: ...
    @property
    def double_data(self) -> _Scalars[float]: ...
    @property
    def int64_data(self) -> _Scalars[int]: ...
    name: str
    def __init__(
        self,
        *,
        dims: Iterable[int] | None = None,
        data_type: int | str | None = None,
        float_data: Iterable[float] | None = None,
        int32_data: Iterable[int] | None = None,
        byte_data: bytes | None = None,
        string_data: Iterable[bytes] | None = None,
        double_data: Iterable[float] | None = None,
        int64_data: Iterable[int] | None = None,
        name: str | None = None,
    ) -> None: ...

class C2TensorProtos(Message):
    DESCRIPTOR: Descriptor
    @property
    def protos(self) -> _Messages[C2TensorProto]: ...
    def __init__(
        self,
        *,
        protos: Iterable[C2TensorProto | _Dict] | None = None,
    ) -> None: ...

class DetectNetGroundTruthParameter(Message):
    DESCRIPTOR: Descriptor
    GridboxType: ClassVar[EnumTypeWrapper]
    GRIDBOX_MAX: ClassVar[int]
    GRIDBOX_MIN: ClassVar[int]
    CoverageType: ClassVar[EnumTypeWrapper]
    RECTANGULAR: ClassVar[int]

    class ClassMapping(Message):
        DESCRIPTOR: Descriptor
        src: int
        dst: int
        def __init__(
            self,
            *,
            src: int | None = None,
            dst: int | None = None,
        ) -> None: ...

    stride: int
    scale_cvg: float
    gridbox_type: int
    max_cvg_len: int
    min_cvg_len: int
    coverage_type: int
    image_size_x: int
    image_size_y: int
    obj_norm: bool
    crop_bboxes: bool
    @property
    def object_class(self) -> _Messages[DetectNetGroundTruthParameter.ClassMapping]: ...
    def __init__(
        self,
        *,
        stride: int | None = None,
        scale_cvg: float | None = None,
        gridbox_type: int | str | None = None,
        max_cvg_len: int | None = None,
        min_cvg_len: int | None = None,
        coverage_type: int | str | None = None,
        image_size_x: int | None = None,
        image_size_y: int | None = None,
        obj_norm: bool | None = None,
        crop_bboxes: bool | None = None,
        object_class: Iterable[DetectNetGroundTruthParameter.ClassMapping | _Dict] | None = None,
    ) -> None: ...

class DetectNetAugmentationParameter(Message):
    DESCRIPTOR: Descriptor
    crop_prob: float
    shift_x: int
    shift_y: int
    scale_prob: float
    scale_min: float
    scale_max: float
    flip_prob: float
    rotation_prob: float
    max_rotate_degree: float
    hue_rotation_prob: float
    hue_rotation: float
    desaturation_prob: float
    desaturation_max: float
    @property
    def resize_param(self) -> ResizeParameter: ...
    @property
    def noise_param(self) -> NoiseParameter: ...
    @property
    def distort_param(self) -> DistortionParameter: ...
    @property
    def expand_param(self) -> ExpansionParameter: ...
    @property
    def emit_constraint(self) -> EmitConstraint: ...
    def __init__(
        self,
        *,
        crop_prob: float | None = None,
        shift_x: int | None = None,
        shift_y: int | None = None,
        scale_prob: float | None = None,
        scale_min: float | None = None,
        scale_max: float | None = None,
        flip_prob: float | None = None,
        rotation_prob: float | None = None,
        max_rotate_degree: float | None = None,
        hue_rotation_prob: float | None = None,
        hue_rotation: float | None = None,
        desaturation_prob: float | None = None,
        desaturation_max: float | None = None,
        resize_param: ResizeParameter | _Dict | None = None,
        noise_param: NoiseParameter | _Dict | None = None,
        distort_param: DistortionParameter | _Dict | None = None,
        expand_param: ExpansionParameter | _Dict | None = None,
        emit_constraint: EmitConstraint | _Dict | None = None,
    ) -> None: ...

class ResizeParameter(Message):
    DESCRIPTOR: Descriptor
    Resize_mode: ClassVar[EnumTypeWrapper]
    WARP: ClassVar[int]
    FIT_SMALL_SIZE: ClassVar[int]
    FIT_LARGE_SIZE_AND_PAD: ClassVar[int]
    Pad_mode: ClassVar[EnumTypeWrapper]
    CONSTANT: ClassVar[int]
    MIRRORED: ClassVar[int]
    REPEAT_NEAREST: ClassVar[int]
    Interp_mode: ClassVar[EnumTypeWrapper]
    LINEAR: ClassVar[int]
    AREA: ClassVar[int]
    NEAREST: ClassVar[int]
    CUBIC: ClassVar[int]
    LANCZOS4: ClassVar[int]
    prob: float
    resize_mode: int
    height: int
    width: int
    height_scale: int
    width_scale: int
    pad_mode: int
    @property
    def pad_value(self) -> _Scalars[float]: ...
    @property
    def interp_mode(self) -> _Scalars[int]: ...
    def __init__(
        self,
        *,
        prob: float | None = None,
        resize_mode: int | str | None = None,
        height: int | None = None,
        width: int | None = None,
        height_scale: int | None = None,
        width_scale: int | None = None,
        pad_mode: int | str | None = None,
        pad_value: Iterable[float] | None = None,
        interp_mode: Iterable[int | str] | None = None,
    ) -> None: ...

class SaltPepperParameter(Message):
    DESCRIPTOR: Descriptor
    fraction: float
    @property
    def value(self) -> _Scalars[float]: ...
    def __init__(
        self,
        *,
        fraction: float | None = None,
        value: Iterable[float] | None = None,
    ) -> None: ...

class NoiseParameter(Message):
    DESCRIPTOR: Descriptor
    prob: float
    hist_eq: bool
    inverse: bool
    decolorize: bool
    gauss_blur: bool
    jpeg: float
    posterize: bool
    erode: bool
    saltpepper: bool
    @property
    def saltpepper_param(self) -> SaltPepperParameter: ...
    clahe: bool
    convert_to_hsv: bool
    convert_to_lab: bool
    def __init__(
        self,
        *,
        prob: float | None = None,
        hist_eq: bool | None = None,
        inverse: bool | None = None,
        decolorize: bool | None = None,
        gauss_blur: bool | None = None,
        jpeg: float | None = None,
        posterize: bool | None = None,
        erode: bool | None = None,
        saltpepper: bool | None = None,
        saltpepper_param: SaltPepperParameter | _Dict | None = None,
        clahe: bool | None = None,
        convert_to_hsv: bool | None = None,
        convert_to_lab: bool | None = None,
    ) -> None: ...

class DistortionParameter(Message):
    DESCRIPTOR: Descriptor
    brightness_prob: float
    brightness_delta: float
    contrast_prob: float
    contrast_lower: float
    contrast_upper: float
    hue_prob: float
    hue_delta: float
    saturation_prob: float
    saturation_lower: float
    saturation_upper: float
    random_order_prob: float
    def __init__(
        self,
        *,
        brightness_prob: float | None = None,
        brightness_delta: float | None = None,
        contrast_prob: float | None = None,
        contrast_lower: float | None = None,
        contrast_upper: float | None = None,
        hue_prob: float | None = None,
        hue_delta: float | None = None,
        saturation_prob: float | None = None,
        saturation_lower: float | None = None,
        saturation_upper: float | None = None,
        random_order_prob: float | None = None,
    ) -> None: ...

class ExpansionParameter(Message):
    DESCRIPTOR: Descriptor
    prob: float
    max_expand_ratio: float
    def __init__(
        self,
        *,
        prob: float | None = None,
        max_expand_ratio: float | None = None,
    ) -> None: ...

class AnnotatedDataParameter(Message):
    DESCRIPTOR: Descriptor
    @property
    def batch_sampler(self) -> _Messages[BatchSampler]: ...
    label_map_file: str
    anno_type: int
    def __init__(
        self,
        *,
        batch_sampler: Iterable[BatchSampler | _Dict] | None = None,
        label_map_file: str | None = None,
        anno_type: int | str | None = None,
    ) -> None: ...

class DetectionEvaluateParameter(Message):
    DESCRIPTOR: Descriptor
    num_classes: int
    background_label_id: int
    overlap_threshold: float
    evaluate_difficult_gt: bool
    name_size_file: str
    @property
    def resize_param(self) -> ResizeParameter: ...
    def __init__(
        self,
        *,
        num_classes: int | None = None,
        background_label_id: int | None = None,
        overlap_threshold: float | None = None,
        evaluate_difficult_gt: bool | None = None,
        name_size_file: str | None = None,
        resize_param: ResizeParameter | _Dict | None = None,
    ) -> None: ...

class NonMaximumSuppressionParameter(Message):
    DESCRIPTOR: Descriptor
    nms_threshold: float
    top_k: int
    eta: float
    def __init__(
        self,
        *,
        nms_threshold: float | None = None,
        top_k: int | None = None,
        eta: float | None = None,
    ) -> None: ...

class SaveOutputParameter(Message):
    DESCRIPTOR: Descriptor
    output_directory: str
    output_name_prefix: str
    output_format: str
    label_map_file: str
    name_size_file: str
    num_test_image: int
    @property
    def resize_param(self) -> ResizeParameter: ...
    def __init__(
        self,
        *,
        output_directory: str | None = None,
        output_name_prefix: str | None = None,
        output_format: str | None = None,
        label_map_file: str | None = None,
        name_size_file: str | None = None,
        num_test_image: int | None = None,
        resize_param: ResizeParameter | _Dict | None = None,
    ) -> None: ...

class DetectionOutputParameter(Message):
    DESCRIPTOR: Descriptor
    num_classes: int
    share_location: bool
    background_label_id: int
    @property
    def nms_param(self) -> NonMaximumSuppressionParameter: ...
    @property
    def save_output_param(self) -> SaveOutputParameter: ...
    code_type: int
    variance_encoded_in_target: bool
    keep_top_k: int
    confidence_threshold: float
    visualize: bool
    visualize_threshold: float
    save_file: str
    def __init__(
        self,
        *,
        num_classes: int | None = None,
        share_location: bool | None = None,
        background_label_id: int | None = None,
        nms_param: NonMaximumSuppressionParameter | _Dict | None = None,
        save_output_param: SaveOutputParameter | _Dict | None = None,
        code_type: int | str | None = None,
        variance_encoded_in_target: bool | None = None,
        keep_top_k: int | None = None,
        confidence_threshold: float | None = None,
        visualize: bool | None = None,
        visualize_threshold: float | None = None,
        save_file: str | None = None,
    ) -> None: ...

class MultiBoxLossParameter(Message):
    DESCRIPTOR: Descriptor
    LocLossType: ClassVar[EnumTypeWrapper]
    L2: ClassVar[int]
    SMOOTH_L1: ClassVar[int]
    ConfLossType: ClassVar[EnumTypeWrapper]
    SOFTMAX: ClassVar[int]
    LOGISTIC: ClassVar[int]
    MatchType: ClassVar[EnumTypeWrapper]
    BIPARTITE: ClassVar[int]
    PER_PREDICTION: ClassVar[int]
    MiningType: ClassVar[EnumTypeWrapper]
    NONE: ClassVar[int]
    MAX_NEGATIVE: ClassVar[int]
    HARD_EXAMPLE: ClassVar[int]
    loc_loss_type: int
    conf_loss_type: int
    loc_weight: float
    num_classes: int
    share_location: bool
    match_type: int
    overlap_threshold: float
    use_prior_for_matching: bool
    background_label_id: int
    use_difficult_gt: bool
    do_neg_mining: bool
    neg_pos_ratio: float
    neg_overlap: float
    code_type: int
    encode_variance_in_target: bool
    map_object_to_agnostic: bool
    ignore_cross_boundary_bbox: bool
    bp_inside: bool
    mining_type: int
    @property
    def nms_param(self) -> NonMaximumSuppressionParameter: ...
    sample_size: int
    use_prior_for_nms: bool
    ignore_difficult_gt: bool
    def __init__(
        self,
        *,
        loc_loss_type: int | str | None = None,
        conf_loss_type: int | str | None = None,
        loc_weight: float | None = None,
        num_classes: int | None = None,
        share_location: bool | None = None,
        match_type: int | str | None = None,
        overlap_threshold: float | None = None,
        use_prior_for_matching: bool | None = None,
        background_label_id: int | None = None,
        use_difficult_gt: bool | None = None,
        do_neg_mining: bool | None = None,
        neg_pos_ratio: float | None = None,
        neg_overlap: float | None = None,
        code_type: int | str | None = None,
        encode_variance_in_target: bool | None = None,
        map_object_to_agnostic: bool | None = None,
        ignore_cross_boundary_bbox: bool | None = None,
        bp_inside: bool | None = None,
        mining_type: int | str | None = None,
        nms_param: NonMaximumSuppressionParameter | _Dict | None = None,
        sample_size: int | None = None,
        use_prior_for_nms: bool | None = None,
        ignore_difficult_gt: bool | None = None,
    ) -> None: ...

class NormalizeParameter(Message):
    DESCRIPTOR: Descriptor
    across_spatial: bool
    @property
    def scale_filler(self) -> FillerParameter: ...
    channel_shared: bool
    eps: float
    def __init__(
        self,
        *,
        across_spatial: bool | None = None,
        scale_filler: FillerParameter | _Dict | None = None,
        channel_shared: bool | None = None,
        eps: float | None = None,
    ) -> None: ...

class PermuteParameter(Message):
    DESCRIPTOR: Descriptor
    @property
    def order(self) -> _Scalars[int]: ...
    def __init__(
        self,
        *,
        order: Iterable[int] | None = None,
    ) -> None: ...

class PriorBoxParameter(Message):
    DESCRIPTOR: Descriptor
    CodeType: ClassVar[EnumTypeWrapper]
    CORNER: ClassVar[int]
    CENTER_SIZE: ClassVar[int]
    CORNER_SIZE: ClassVar[int]
    @property
    def min_size(self) -> _Scalars[float]: ...
    @property
    def max_size(self) -> _Scalars[float]: ...
    @property
    def aspect_ratio(self) -> _Scalars[float]: ...
    flip: bool
    clip: bool
    @property
    def variance(self) -> _Scalars[float]: ...
    img_size: int
    img_h: int
    img_w: int
    step: float
    step_h: float
    step_w: float
    offset: float
    def __init__(
        self,
        *,
        min_size: Iterable[float] | None = None,
        max_size: Iterable[float] | None = None,
        aspect_ratio: Iterable[float] | None = None,
        flip: bool | None = None,
        clip: bool | None = None,
        variance: Iterable[float] | None = None,
        img_size: int | None = None,
        img_h: int | None = None,
        img_w: int | None = None,
        step: float | None = None,
        step_h: float | None = None,
        step_w: float | None = None,
        offset: float | None = None,
    ) -> None: ...

class TRTParameter(Message):
    DESCRIPTOR: Descriptor
    TRTMode: ClassVar[EnumTypeWrapper]
    FP32: ClassVar[int]
    FP16: ClassVar[int]
    INT8: ClassVar[int]
    trt_mode: int
    top_k: int
    deploy: str
    model: str
    @property
    def deploy_outputs(self) -> _Scalars[str]: ...
    calibrator: str
    def __init__(
        self,
        *,
        trt_mode: int | str | None = None,
        top_k: int | None = None,
        deploy: str | None = None,
        model: str | None = None,
        deploy_outputs: Iterable[str] | None = None,
        calibrator: str | None = None,
    ) -> None: ...

class VideoDataParameter(Message):
    DESCRIPTOR: Descriptor
    VideoType: ClassVar[EnumTypeWrapper]
    WEBCAM: ClassVar[int]
    VIDEO: ClassVar[int]
    video_type: int
    device_id: int
    video_file: str
    skip_frames: int
    def __init__(
        self,
        *,
        video_type: int | str | None = None,
        device_id: int | None = None,
        video_file: str | None = None,
        skip_frames: int | None = None,
    ) -> None: ...

class BNParameter(Message):
    DESCRIPTOR: Descriptor
    Engine: ClassVar[EnumTypeWrapper]
    DEFAULT: ClassVar[int]
    CAFFE: ClassVar[int]
    CUDNN: ClassVar[int]
    BNMode: ClassVar[EnumTypeWrapper]
    LEARN: ClassVar[int]
    INFERENCE: ClassVar[int]
    @property
    def slope_filler(self) -> FillerParameter: ...
    @property
    def bias_filler(self) -> FillerParameter: ...
    momentum: float
    eps: float
    frozen: bool
    engine: int
    bn_mode: int
    @property
    def scale_filler(self) -> FillerParameter: ...
    @property
    def shift_filler(self) -> FillerParameter: ...
    def __init__(
        self,
        *,
        slope_filler: FillerParameter | _Dict | None = None,
        bias_filler: FillerParameter | _Dict | None = None,
        momentum: float | None = None,
        eps: float | None = None,
        frozen: bool | None = None,
        engine: int | str | None = None,
        bn_mode: int | str | None = None,
        scale_filler: FillerParameter | _Dict | None = None,
        shift_filler: FillerParameter | _Dict | None = None,
    ) -> None: ...

class DenseImageDataParameter(Message):
    DESCRIPTOR: Descriptor
    source: str
    batch_size: int
    rand_skip: int
    shuffle: bool
    new_height: int
    new_width: int
    is_color: bool
    mean_file: str
    root_folder: str
    mirror: bool
    crop_width: int
    crop_height: int
    def __init__(
        self,
        *,
        source: str | None = None,
        batch_size: int | None = None,
        rand_skip: int | None = None,
        shuffle: bool | None = None,
        new_height: int | None = None,
        new_width: int | None = None,
        is_color: bool | None = None,
        mean_file: str | None = None,
        root_folder: str | None = None,
        mirror: bool | None = None,
        crop_width: int | None = None,
        crop_height: int | None = None,
    ) -> None: ...

class UpsampleParameter(Message):
    DESCRIPTOR: Descriptor
    scale: int
    scale_h: int
    scale_w: int
    pad_out_h: bool
    pad_out_w: bool
    upsample_h: int
    upsample_w: int
    def __init__(
        self,
        *,
        scale: int | None = None,
        scale_h: int | None = None,
        scale_w: int | None = None,
        pad_out_h: bool | None = None,
        pad_out_w: bool | None = None,
        upsample_h: int | None = None,
        upsample_w: int | None = None,
    ) -> None: ...

class SoftmaxLossParameter(Message):
    DESCRIPTOR: Descriptor
    weight_source: str
    @property
    def ignore_label(self) -> _Scalars[int]: ...
    def __init__(
        self,
        *,
        weight_source: str | None = None,
        ignore_label: Iterable[int] | None = None,
    ) -> None: ...

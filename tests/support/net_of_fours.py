"""A net that takes images whose sides are multiples of 4, behind Caffe's own Data layers."""

NET = """
layer { name: "data" type: "Data" top: "data" include { phase: TRAIN }
  transform_param { mean_value: 60 scale: 0.01 } data_param { batch_size: 2 backend: LMDB } }
layer { name: "label" type: "Data" top: "label" include { phase: TRAIN }
  data_param { batch_size: 2 backend: LMDB } }
layer { name: "data" type: "Data" top: "data" include { phase: TEST }
  transform_param { mean_value: 60 scale: 0.01 } data_param { batch_size: 1 backend: LMDB } }
layer { name: "label" type: "Data" top: "label" include { phase: TEST }
  data_param { batch_size: 1 backend: LMDB } }
layer { name: "c" type: "Convolution" bottom: "data" top: "c"
  convolution_param { num_output: 3 kernel_size: 3 pad: 1 weight_filler { type: "xavier" } } }
layer { name: "p" type: "Pooling" bottom: "c" top: "p"
  pooling_param { pool: AVE kernel_size: 4 stride: 4 } }
layer { name: "up" type: "Deconvolution" bottom: "p" top: "up"
  convolution_param { num_output: 3 kernel_size: 4 stride: 4 weight_filler { type: "xavier" } } }
layer { name: "score" type: "Eltwise" bottom: "c" bottom: "up" top: "score" }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "score" bottom: "label" top: "loss"
  loss_param { ignore_label: 255 } exclude { stage: "deploy" } }
"""

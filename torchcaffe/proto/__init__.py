"""Where scripts written for pycaffe look for Caffe's messages: `torchcaffe.proto.caffe_pb2`."""

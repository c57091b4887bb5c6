"""The package in which scripts for pycaffe find Caffe's messages: `torchcaffe.proto.caffe_pb2`."""

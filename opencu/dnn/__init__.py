"""Deep learning: what cuDNN does, on numpy arrays, torch tensors and device arrays."""

from opencu.dnn.attention import attention
from opencu.dnn.conv import conv
from opencu.dnn.layer_norm import layer_norm
from opencu.dnn.random import random
from opencu.dnn.softmax import softmax

__all__ = ["attention", "conv", "layer_norm", "random", "softmax"]

"""Theory beside simulation: exact errors of decoders, thresholds of recall, mean field of the Hopfield network.

All of it is for random ±1 patterns. Arguments and results are single numbers in double precision. The load α of thresholds
is log(K)/N, that of the Hopfield network K/N.
"""

# isort: off
from .capacity import best_temperature as best_temperature, channel_capacity as channel_capacity
from .capacity import critical_temperature as critical_temperature, num_patterns_at as num_patterns_at
from .capacity import recall_threshold as recall_threshold
from .decoders import DecoderPerformance as DecoderPerformance, nearest_pattern as nearest_pattern
from .hopfield import (
    HopfieldRecall as HopfieldRecall,
    hopfield_capacity as hopfield_capacity,
    hopfield_recall as hopfield_recall,
)

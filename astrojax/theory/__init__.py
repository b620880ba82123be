"""Theory beside simulation: exact errors of decoders, thresholds of recall, mean field of the Hopfield network.

All of it is for random ±1 patterns. Arguments and results are single numbers in double precision. The load α of thresholds
is log(K)/N, that of the Hopfield network K/N.
"""

from .capacity import best_temperature as best_temperature
from .capacity import channel_capacity as channel_capacity
from .capacity import critical_temperature as critical_temperature
from .capacity import num_patterns_at as num_patterns_at
from .capacity import recall_threshold as recall_threshold
from .decoders import DecoderPerformance as DecoderPerformance
from .decoders import nearest_pattern as nearest_pattern
from .hopfield import HopfieldRecall as HopfieldRecall
from .hopfield import hopfield_capacity as hopfield_capacity
from .hopfield import hopfield_recall as hopfield_recall

"""Gradient-based search of hyperparameters: differentiate through retrieval, and follow the gradient."""

from .baselines import grid_search as grid_search
from .baselines import random_search as random_search
from .losses import Loss as Loss
from .objective import Objective as Objective
from .search import Search as Search
from .search import SearchState as SearchState
from .search import tune as tune
from .transforms import Parameter as Parameter

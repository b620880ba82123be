"""Equilibria: where a memory rests, whether it stays there, what it recalls there, and from how far away it gets there."""

from .basins import Attractors as Attractors
from .basins import Basin as Basin
from .basins import attractors as attractors
from .basins import basin as basin
from .classification import EquilibriumKind as EquilibriumKind
from .classification import Identity as Identity
from .classification import identify as identify
from .fixed_points import Equilibrium as Equilibrium
from .fixed_points import Spectrum as Spectrum
from .fixed_points import Stability as Stability
from .fixed_points import equilibrium as equilibrium
from .fixed_points import jacobian as jacobian
from .fixed_points import spectrum as spectrum

"""Physical constants and unit factors; dockkit works in Angstrom, kcal/mol, ps, kelvin and e."""

from __future__ import annotations

from typing import Final

GAS_CONSTANT: Final = 0.001987204259
"""Gas constant in kcal/(mol K) (CODATA 2018: 8.314462618 J/(mol K) divided by 4184)."""

KCAL_PER_KJ: Final = 1.0 / 4.184
"""Kilocalories in a kilojoule (thermochemical calorie, exact)."""

ANGSTROM_PER_NM: Final = 10.0
"""Angstrom in a nanometre."""

COULOMB_CONSTANT: Final = 332.06371
"""Coulomb energy of two unit charges 1 A apart in vacuum, kcal/mol (Amber and OpenMM agree to 1e-5)."""

DEFAULT_TEMPERATURE: Final = 298.15
"""Kelvin; the temperature of the binding constants unless a study says otherwise."""


def thermal_energy(temperature_kelvin: float = DEFAULT_TEMPERATURE) -> float:
    """Return RT in kcal/mol.

    Parameters
    ----------
    temperature_kelvin : float
        Absolute temperature.

    Returns
    -------
    float
        0.5925 kcal/mol at 298.15 K.
    """
    return GAS_CONSTANT * temperature_kelvin

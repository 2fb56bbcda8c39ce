"""Phosphorylated residues: kept as dianions, or reverted to Ser, Thr and Tyr; either way said.

The second pK_a of a phosphate monoester in a peptide lies near 5.6 to 6.1 (Bienkiewicz & Lumb, J. Biomol. NMR 1999, 15,
203), so that at pH 7.4 the dianion prevails; kinases hold it with Arg and Lys besides.
"""

from __future__ import annotations

from collections.abc import Collection

from dockkit.core.model import Change
from dockkit.core.residues import PHOSPHATE, PHOSPHORYLATED, parent_name


def name_in_chain(original: str, *, revert: bool = False) -> str:
    """Return the name under which a residue enters the receptor: its own, its parent's, or '' where it has none.

    Parameters
    ----------
    original : str
        As deposited.
    revert : bool
        Phosphorylated residues become their parents.
    """
    return original if original in PHOSPHORYLATED and not revert else parent_name(original)


def phosphate_change(
    original: str, atoms: Collection[str], *, chain: str, number: int, icode: str = "", uniprot: int = 0,
    revert: bool = False,
) -> Change:  # fmt: skip
    """Return what was done with a phosphorylated residue.

    Parameters
    ----------
    original : str
        SEP, TPO or PTR.
    atoms : collection of str
        Heavy atoms seen in the crystal.
    chain, number, icode, uniprot
        Where it stands.
    revert : bool
        It becomes its parent.

    Returns
    -------
    Change
        Of kind ``modified``; phosphate atoms that the crystal lacks and that will be built are named.
    """
    missing = [name for name in PHOSPHATE if name not in atoms]
    if revert:
        what, why = f"phosphorylated in the crystal, reverted to {parent_name(original)}", "as asked"
    else:
        what = "phosphorylated, kept as the dianion"
        why = "second pK_a of phosphate esters near 6"
        if missing:
            seen = "its phosphate is not seen" if len(missing) == len(PHOSPHATE) else "not all of it is seen"
            what, why = f"{what}; phosphate atoms built: {' '.join(missing)}", f"{why}; {seen} in the crystal"
    return Change("modified", what, why, original, chain, number, icode, uniprot)

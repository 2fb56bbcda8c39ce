"""Write structures/kinase_profiles.sto: one alignment for each family of kinases that dockkit recognises.

    python structures/build_kinase_profiles.py

The protein kinases are those of ``kinases.toml``, aligned so that their pocket positions, which are known, share
columns; between them an alignment and the profile built from it are refined in turn. The other families are aligned in
the same way from a few members each, given below: sequences are UniProt's (CC BY 4.0), pocket positions of mTOR, RIO
and ABC1 kinases those that KLIFS gives them (klifs.net).
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pyhmmer.easel import Alphabet
from pyhmmer.plan7 import Background

from dockkit.core.files import atomic_write_bytes
from dockkit.core.model import IntArray
from dockkit.kinase import known_kinases, load_kinase, motifs
from dockkit.kinase.alignment import align, encode
from dockkit.kinase.profiles import FILE_NAME, PROTEIN_KINASE, build_hmm, make_model
from dockkit.kinase.table import POCKET_LENGTH, expand_pocket

ROUNDS = 5
OCCUPANCY = 0.5
CUT_END, CUT_COLUMN, NOT_THE_END = 3.0, 5.0, 1000.0


@dataclass(frozen=True)
class Member:
    """A sequence of a family; ``pocket`` and ``ape`` are its own residue numbers, 0 for none."""

    name: str
    sequence: str
    first: int
    pocket: tuple[int, ...] = ()
    ape: int = 0


def other_families() -> dict[str, list[Member]]:
    """Families that are not protein kinases of the common fold."""
    families: dict[str, list[Member]] = {}
    for family, name, first, pocket, sequence in OTHERS:
        numbers = expand_pocket(pocket) if pocket else ()
        families.setdefault(family, []).append(Member(name, "".join(sequence.split()), first, numbers))
    return families


def protein_kinases(leave_out: frozenset[str] = frozenset()) -> list[Member]:
    """Return the domains of the table, the most typical first."""
    genes = sorted(set(known_kinases()) - leave_out, key=lambda gene: (gene != "PRKACA", gene))
    members = []
    for kinase in map(load_kinase, genes):
        loop = motifs(kinase)["activation_loop"]
        first, last = kinase.domain
        name = f"{kinase.gene}_{kinase.uniprot}/{first}-{last}"
        members.append(Member(name, kinase.sequence[first - 1 : last], first, kinase.pocket, loop[-1] if loop else 0))
    return members


def layout(member: Member) -> tuple[IntArray, IntArray, int]:
    """Give each residue of one sequence a column, and the pocket positions that it lacks a column of their own.

    Returns
    -------
    columns : (n,) int
    pocket : (85,) int
        Column of each pocket position; empty where the family has no pocket.
    n_columns : int
    """
    if not member.pocket:
        return np.arange(len(member.sequence)), np.zeros(0, dtype=np.int64), len(member.sequence)
    position = {number: i for i, number in enumerate(member.pocket) if number}
    columns, pocket, column = [], np.full(POCKET_LENGTH, -1), 0
    for number in range(member.first, member.first + len(member.sequence)):
        i = position.get(number)
        if i is not None:
            lacking = i
            while lacking and not member.pocket[lacking - 1]:
                lacking -= 1
            for gap in range(lacking, i):
                pocket[gap], column = column, column + 1
            pocket[i] = column
        columns.append(column)
        column += 1
    return np.array(columns), pocket, column


def rows_of(members: list[Member], columns: list[IntArray], n: int) -> tuple[list[tuple[str, str]], str]:
    """Write an alignment out: match columns in upper case, insertions between them, ``x`` and ``.`` below."""
    slots = np.zeros(n + 1, dtype=np.int64)
    pieces: list[tuple[list[str], list[list[str]]]] = []
    for member, places in zip(members, columns, strict=True):
        used = np.flatnonzero(places >= 0)
        match, last = ["-"] * n, -1
        insert: list[list[str]] = [[] for _ in range(n + 1)]
        for i in range(used[0], used[-1] + 1):
            if places[i] >= 0:
                last = int(places[i])
                match[last] = member.sequence[i]
            else:
                insert[last + 1].append(member.sequence[i])
        slots = np.maximum(slots, [len(run) for run in insert])
        pieces.append((match, insert))
    slots[0] = slots[n] = 0
    rows = []
    for member, (match, insert) in zip(members, pieces, strict=True):
        runs = ["".join(insert[k]).ljust(int(slots[k]), "-") if slots[k] else "" for k in range(n)]
        rows.append((member.name, "".join(run + letter for run, letter in zip(runs, match, strict=True))))
    return rows, "".join("." * int(slots[k]) + "x" for k in range(n))


def anchors(member: Member, pocket: IntArray, ape: int, n: int) -> NDArray[np.bool_]:
    """Say which residue may stand in which column: pocket residues in theirs, no other in those."""
    allowed = np.ones((len(member.sequence), n), dtype=bool)
    pairs = [(number, int(column)) for number, column in zip(member.pocket, pocket, strict=bool(member.pocket))]
    if ape >= 0 and member.ape:
        pairs.append((member.ape, ape))
    if member.pocket:
        for _, column in pairs:
            allowed[:, column] = False
    for number, column in pairs:
        if number:
            allowed[number - member.first] = False
            allowed[number - member.first, column] = True
    return allowed


def train(name: str, members: list[Member]) -> tuple[list[tuple[str, str]], str]:
    """Align a family, refining alignment and profile in turn; return rows and reference line."""
    background = np.array(Background(Alphabet.amino()).residue_frequencies, dtype=np.float64)
    head = members[0]
    places, pocket, n = layout(head)
    ape = int(places[head.ape - head.first]) if head.ape else -1
    rows, reference = rows_of([head], [places], n)
    for _ in range(ROUNDS):
        model = make_model(build_hmm(name, rows, reference), pocket, background)
        columns = []
        for member in members:
            length = len(member.sequence)
            start, end = np.full((length, n), NOT_THE_END), np.full((length, n), NOT_THE_END)
            start[0] = np.where(np.arange(n) > 0, CUT_END + CUT_COLUMN * np.arange(n), 0.0)
            end[-1] = start[0][::-1]
            allowed = anchors(member, pocket, ape, n)
            none = np.zeros(length, dtype=bool)
            columns.append(align(model, encode(member.sequence), none, allowed=allowed, start=start, end=end)[1])
        rows, reference = rows_of(members, columns, n)
        filled = np.mean([[letter != "-" for letter in text] for _, text in rows], axis=0)
        old = np.flatnonzero(np.array(list(reference)) == "x")
        keep = filled > OCCUPANCY
        keep[old[pocket]] = True
        if ape >= 0:
            keep[old[ape]] = True
        new = np.cumsum(keep) - 1
        pocket, ape, n = new[old[pocket]], int(new[old[ape]]) if ape >= 0 else -1, int(keep.sum())
        reference = "".join("x" if kept else "." for kept in keep)
    marks = np.array(list("x" * n))
    marks[pocket] = "P"
    if ape >= 0:
        marks[ape] = "E"
    letters = np.array(list(reference))
    letters[letters == "x"] = marks
    return rows, "".join(letters)


def stockholm(name: str, rows: list[tuple[str, str]], reference: str) -> str:
    """Return one block of a Stockholm file."""
    width = max(len(member) for member, _ in rows) + 2
    lines = ["# STOCKHOLM 1.0", f"#=GF ID {name.replace(' ', '_')}"]
    lines += [f"{member:{width}s}{text}" for member, text in rows]
    return "\n".join([*lines, f"{'#=GC RF':{width}s}{reference}", "//", ""])


def main() -> None:
    """Train every family and write the file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / FILE_NAME)
    arguments = parser.parse_args()
    families = {PROTEIN_KINASE: protein_kinases(), **other_families()}
    blocks = []
    for name, members in families.items():
        rows, reference = train(name, members)
        print(f"{name}: {len(members)} sequences, {len(reference) - reference.count('.')} columns")
        blocks.append(stockholm(name, rows, reference))
    atomic_write_bytes(arguments.out, "".join(blocks).encode())


# Family, name, first residue, pocket where KLIFS gives one, sequence (UniProt).
OTHERS = [
    (
        "PI3/PI4-kinase family",
        "MTOR_P42345/2156-2429",
        2156,
        "2160-2172 2184-2189 2191-2203 2220-2228 2234-2241 2243-2252 2330-2333 gap*2 2334-2346 2355-2361",
        """
            IAPSLQVITSKQRPRKLTLMGSNGHEFVFLLKGHEDLRQDERVMQLFGLVNTLLANDPTSLRKNLSIQRYAVIPLSTNSGLIGWVPHCDTLHALIRDYRE
            KKKILLNIEHRIMLRMAPDYDHLTLMQKVEVFEHAVNNTAGDDLAKLLWLKSPSSEVWFDRRTNYTRSLAVMSMVGYILGLGDRHPSNLMLDRLSGKILH
            IDFGDCFEVAMTREKFPEKIPFRLTRMLTNAMEVTGLDGNYRITCHTVMEVLREHKDSVMAVLEAFVYDPLLNW
        """,
    ),  # fmt: skip
    (
        "PI3/PI4-kinase family",
        "PIK3CA_P42336/774-1068",
        774,
        "",
        """
            SAKRPLWLNWENPDIMSELLFQNNEIIFKNGDDLRQDMLTLQIIRIMENIWQNQGLDLRMLPYGCLSIGDCVGLIEVVRNSHTIMQIQCKGGLKGALQFN
            SHTLHQWLKDKNKGEIYDAAIDLFTRSCAGYCVATFILGIGDRHNSNIMVKDDGQLFHIDFGHFLDHKKKKFGYKRERVPFVLTQDFLIVISKGAQECTK
            TREFERFQEMCYKAYLAIRQHANLFINLFSMMLGSGMPELQSFDDIAYIRKTLALDKTEQEALEYFMKQMNDAHHGGWTTKMDWIFHTIKQHALN
        """,
    ),  # fmt: skip
    (
        "RIO kinase",
        "RIOK1_Q9BRS2/184-389",
        184,
        "184-196 205-210 246-258 262-270 274-281 287-296 314-332 339-345",
        """
            GCISTGKEANVYHASTANGESRAIKIYKTSILVFKDRDKYVSGEFRFRHGYCKGNPRKMVKTWAEKEMRNLIRLNTAEIPCPEPIMLRSHVLVMSFIGKD
            DMPAPLLKNVQLSESKARELYLQVIQYMRRMYQDARLVHADLSEFNMLYHGGGVYIIDVSQSVEHDHPHALEFLRKDCANVNDFFMRHSVAVMTVRELFE
            FVTDPS
        """,
    ),  # fmt: skip
    (
        "RIO kinase",
        "RIOK2_Q9BVS4/98-281",
        98,
        "99-111 120-125 157-169 173-181 185-202 219-223 gap 224-236 244-250",
        """
            GNQMGVGKESDIYIVANEEGQQFALKLHRLGRTSFRNLKNKRDYHKHRHNVSWLYLSRLSAMKEFAYMKALYERKFPVPKPIDYNRHAVVMELINGYPLC
            QIHHVEDPASVYDEAMELIVKLANHGLIHGDFNEFNLILDESDHITMIDFPQMVSTSHPNAEWYFDRDVKCIKDFFMKRFSYES
        """,
    ),  # fmt: skip
    (
        "ABC1/ADCK kinase",
        "ADCK1_Q86TW2/159-399",
        159,
        "159-171 180-185 232-244 253-261 265-272 276-285 307-310 gap*2 311-323 336-342",
        """
            TPLGTASLAQVHKAVLHDGRTVAVKVQHPKVRAQSSKDILLMEVLVLAVKQLFPEFEFMWLVDEAKKNLPLELDFLNEGRNAEKVSQMLRHFDFLKVPRI
            HWDLSTERVLLMEFVDGGQVNDRDYMERNKIDVNEISRHLGKMYSEMIFVNGFVHCDPHPGNVLVRKHPGTGKAEIVLLDHGLYQMLTEEFRLNYCHLWQ
            SLIWTDMKRVKEYSQRLGAGDLYPLFACMLTARSWDSVNRG
        """,
    ),  # fmt: skip
    (
        "ABC1/ADCK kinase",
        "COQ8A_Q8NI60/334-573",
        334,
        "334-346 355-360 407-419 428-436 442-459 478-496 505-511",
        """
            RPFAAASIGQVHLARMKGGREVAMKIQYPGVAQSINSDVNNLMAVLNMSNMLPEGLFPEHLIDVLRRELALECDYQREAACARKFRDLLKGHPFFYVPEI
            VDELCSPHVLTTELVSGFPLDQAEGLSQEIRNEICYNILVLCLRELFEFHFMQTDPNWSNFFYDPQQHKVALLDFGATREYDRSFTDLYIQIIRAAADRD
            RETVRAKSIEMKFLTGYEVKVMEDAHLDAILILGEAFASD
        """,
    ),  # fmt: skip
    (
        "alpha kinase",
        "TRPM7_Q96QT4/1585-1831",
        1585,
        "",
        """
            YRLEESSPNILNNSMSSWSQLGLCAKIEFLSKEEMGGGLRRAVKVQCTWSEHDILKSGHLYIIKSFLPEVVNTWSSIYKEDTVLHLCLREIQQQRAAQKL
            TFAFNQMKPKSIPYSPRFLEVFLLYCHSAGQWFAVEECMTGEFRKYNNNNGDEIIPTNTLEEIMLAFSHWTYEYTRGELLVLDLQGVGENLTDPSVIKAE
            EKRSCDMVFGPANLGEDAIKNFRAKHHCNSCCRKLKLPDLKRNDYTP
        """,
    ),  # fmt: skip
    (
        "alpha kinase",
        "EEF2K_O00418/116-338",
        116,
        "",
        """
            RYNAVTGEWLDDEVLIKMASQPFGRGAMRECFRTKKLSNFLHAQQWKGASNYVAKRYIEPVDRDVYFEDVRLQMEAKLWGEEYNRHKPPKQVDIMQMCII
            ELKDRPGKPLFHLEHYIEGKYIKYNSNSGFVRDDNIRLTPQAFSHFTFERSGHQLIVVDIQGVGDLYTDPQIHTETGTDFGDGNLGVRGMALFFYSHACN
            RICESMGLAPFDLSPRERDAVNQ
        """,
    ),  # fmt: skip
    (
        "mitochondrial PDK/BCKDK kinase",
        "PDK2_Q15119/65-383",
        65,
        "",
        """
            MKEINLLPDRVLSTPSVQLVQSWYVQSLLDIMEFLDKDPEDHRTLSQFTDALVTIRNRHNDVVPTMAQGVLEYKDTYGDDPVSNQNIQYFLDRFYLSRIS
            IRMLINQHTLIFDGSTNPAHPKHIGSIDPNCNVSEVVKDAYDMAKLLCDKYYMASPDLEIQEINAANSKQPIHMVYVPSHLYHMLFELFKNAMRATVESH
            ESSLILPPIKVMVALGEEDLSIKMSDRGGGVPLRKIERLFSYMYSTAPTPQPGTGGTPLAGFGYGLPISRLYAKYFQGDLQLFSMEGFGTDAVIYLKALS
            TDSVERLPVYNKSAWRHYQ
        """,
    ),  # fmt: skip
]


if __name__ == "__main__":
    main()

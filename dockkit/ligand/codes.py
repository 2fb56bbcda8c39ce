"""Het codes whose role the code alone tells: facts of the PDB's component dictionary, sorted by role in crystals.

Codes are checked against the dictionary in the tests. Unlisted codes are classified by their chemistry.
"""

from __future__ import annotations

from typing import Final


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


NUCLEOTIDES: Final = _set(
    """
    ATP ADP AMP ADN ANP ACP AGS APC ADX A2P A3P AD9 112 ATF AOV AV2 DTP D5M DAT 2DA CMP GTP GDP GMP 5GP GNP GCP
    GSP G2P GAV DGT DGI 35G PCG CTP CDP C5P UTP UDP U5P TTP TYD TMP THM UMP DUT DCP IMP TAT T5A AP5 A4P B4P 5FA
    G1R APR AR6 M7G 8BR P5P
    """
)
"""Nucleotides, nucleosides and their analogues."""

COFACTORS: Final = _set(
    """
    HEM HEC HEA HEB HAS NAD NAI NAP NDP NAJ FAD FDA FMN FNR RBF SAM SAH SFG MTA COA ACO CAA MLC SCA BTN BIO H4B
    BH4 HBI PLP PMP TPP TDP THD B12 CNC COB F42 MGD MTE LPA FOL THF DHF THG 5MY GSH GTT ASC UQ1 UQ2 U10 PQQ VK3
    SF4 FES F3S CLA BCL PHO RET RTL CHD I3P IHP I6P 4IP 2OG AKG
    """
)
"""Cofactors, coenzymes and second messengers."""

BUFFERS: Final = _set(
    """
    GOL EDO PGO PDO PGR MPD MRD BU1 BU2 BU3 HEZ TFA 1BO 2OP IPA POL EOH MOH IOH TBU BTB TRS EPE MES CIT FLC TLA
    TAR SRT MLI MLA MAE MLT SIN OXL ACT ACY FMT PPI BCT CO3 CO2 DMS DMF ACN DIO CCN EGL PEG PGE PG4 1PE 2PE P6G
    PE4 PE8 15P 12P 7PE XPE P33 P4C PE3 P3G M2M ME2 TOE 1PG EEE PG0 PG5 PG6 PE5 PEU 7PG ETE BME DTT DTU DTV TCE
    IMD HED TMO BET NHE CXS PIN MPO 3CX BCN CAC B3P TAM BEZ IPH CRS SGM URE GAI GZ6 NO3 NO2 SCN AZI CYN TEA TMA
    NET NH4 NH3 MMC SO4 SO3 PO4 PI PO3 2HP POP PPV DPO VO4 WO4 MOO BO3 BO4 BF4 BEF ALF AF3 MGF MF4 SUL LCP PER
    OXY O2 H2S PEO XE KR AR NO 144 16P 2HE 3BR 6JZ 9JE AE3 AE4 C10 DOX DTD DVT ETF GBL MB3 MNC N8E OTE P2K PIG
    PNL PPK SBT SDS SO2 SPD SPM SPK TAU TTN HEX OCT DD9
    """
)
"""Cryoprotectants, precipitants, buffers, salts' molecular ions, reductants, solvents and phosphate mimics."""

LIPIDS: Final = _set(
    """
    MYR PLM STE OLA OLB OLC PAM DAO DKA D10 D12 UND TRD LNL ACD EIC LAX CPQ CLR Y01 PEE PEF PGV PC1 PCW POV PX4
    LHG LMG LMT LMU DMU BOG HTG B8M JZR LDA C8E CE1 CXE CDL PLC PLX SPH HXG D9G SQD DGD CVM CPS B7G BNG DET
    """
)
"""Fatty acids, lipids and detergents."""

UNKNOWN: Final = _set(
    """
    UNX UNL UNK DUM
    """
)
"""Codes for what the depositors could not identify."""

METALS: Final = _set(
    """
    LI NA K RB CS MG CA SR BA MN MN3 FE FE2 CO 3CO NI CU CU1 ZN AG CD PT PT4 AU AU3 HG PB TL AL GA IN YB YB2 SM
    EU EU3 GD GD3 TB LU HO3 ER3 PR LA CE V CR OS RU RH IR PD W U1 Y1 YT3 TH
    """
)
"""Metal ions."""

IONS: Final = _set(
    """
    CL BR IOD F
    """
)
"""Halide ions."""
